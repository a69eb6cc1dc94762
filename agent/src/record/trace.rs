//! Which input a record or a dead letter comes of.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::store::Identity;

/// Names the entries of a journal, by 16 hexadecimal digits each: a number that agent and store epoch begin at (by SHA-256, so that
/// those of two agents are far apart) plus the entry's position. So nothing has to be kept for them, a replay gives the
/// same ones, entries near each other have ids near each other, and folded records take next to no room for them.
#[derive(Debug, Clone)]
pub struct Trace {
    /// `agent-uuid/epoch`.
    prefix: Arc<str>,
    /// What positions are added to, modulo 2⁶⁴.
    base: u64,
}

impl Trace {
    /// For the agent of this identity.
    pub fn new(identity: &Identity) -> Self {
        let prefix = format!("{}/{}", identity.agent, identity.store_epoch);
        let digest = Sha256::digest(prefix.as_bytes());
        let base = digest.first_chunk().copied().unwrap_or_default();
        Self {
            prefix: prefix.into(),
            base: u64::from_be_bytes(base),
        }
    }

    /// `agent-uuid/epoch`.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Of the entry at that position; `None` for 0, which no journal has.
    pub fn id(&self, position: u64) -> Option<String> {
        (position > 0).then(|| format!("{:016x}", self.base.wrapping_add(position)))
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
        let id = |epoch, position| Trace::new(&identity(epoch)).id(position);
        // printf f31c299d-0568-43ad-8b7f-fde21b78e33b/1 | sha256sum
        assert_eq!(id(1, 7).unwrap(), "ea0b57a9dd4b56cd");
        assert_ne!(id(1, 7), id(1, 8));
        assert_ne!(id(1, 7), id(2, 7));
        assert_eq!(id(1, 0), None);
    }
}
