//! Which input a record or a dead letter comes of.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::store::Identity;

/// Names the entries of a journal: by 32 hexadecimal digits, as W3C's trace context has them. They are derived from agent,
/// store epoch and position, so that nothing has to be kept for them and a replay gives the same ones.
#[derive(Debug, Clone)]
pub struct Trace {
    /// `agent-uuid/epoch`.
    prefix: Arc<str>,
}

impl Trace {
    /// For the agent of this identity.
    pub fn new(identity: &Identity) -> Self {
        Self {
            prefix: format!("{}/{}", identity.agent, identity.store_epoch).into(),
        }
    }

    /// `agent-uuid/epoch`.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Of the entry at that position; `None` for 0, which no journal has.
    pub fn id(&self, position: u64) -> Option<String> {
        if position == 0 {
            return None;
        }
        let digest = Sha256::new()
            .chain_update(self.prefix.as_bytes())
            .chain_update(position.to_le_bytes())
            .finalize();
        let mut id = String::with_capacity(32);
        for byte in &digest[..16] {
            // A string takes whatever it is given.
            let _ = write!(id, "{byte:02x}");
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_hangs_on_agent_epoch_and_position_alone() {
        let identity = |store_epoch| Identity {
            agent: uuid::uuid!("f31c299d-0568-43ad-8b7f-fde21b78e33b"),
            store_epoch,
        };
        let id = |epoch, position| Trace::new(&identity(epoch)).id(position).unwrap();
        assert_eq!(id(1, 7), "94e8375e06d029fcb939f6b4817d20da");
        assert_ne!(id(1, 7), id(1, 8));
        assert_ne!(id(1, 7), id(2, 7));
        assert_eq!(Trace::new(&identity(1)).id(0), None);
    }
}
