//! The identity of a record, as its `id` spells it.

use std::fmt;

use uuid::Uuid;

/// Whose numbers are dense: a device of one store epoch of one agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The agent.
    pub agent: Uuid,
    /// The agent's store epoch: another one each time its database had to be set aside.
    pub epoch: u32,
    /// The device's name, which may hold `/`.
    pub device: String,
}

/// What names a record for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// Whose.
    pub stream: Stream,
    /// Its number among those, from 1 to [`i64::MAX`].
    pub number: u64,
}

/// Whether records may have this number: a database can keep it.
pub(super) fn is_number(number: u64) -> bool {
    number >= 1 && i64::try_from(number).is_ok()
}

impl RecordId {
    /// Reads `agent uuid/epoch/device/number`.
    pub fn parse(text: &str) -> Option<Self> {
        let (agent, rest) = text.split_once('/')?;
        let (epoch, rest) = rest.split_once('/')?;
        let (device, number) = rest.rsplit_once('/')?;
        if device.is_empty() {
            return None;
        }
        Some(Self {
            stream: Stream {
                agent: Uuid::try_parse(agent).ok()?,
                epoch: epoch.parse().ok()?,
                device: device.to_owned(),
            },
            number: number.parse().ok().filter(|number| is_number(*number))?,
        })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stream {
            agent,
            epoch,
            device,
        } = &self.stream;
        write!(f, "{agent}/{epoch}/{device}/{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let text = "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3/hall/pump-1/42";
        let id = RecordId::parse(text).unwrap();
        assert_eq!((id.stream.epoch, id.number), (3, 42));
        assert_eq!(id.stream.device, "hall/pump-1");
        assert_eq!(id.to_string(), text);
        for wrong in [
            "",
            "pump-1/42",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3/42",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3//42",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3/pump-1/0",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3/pump-1/-1",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/3/pump-1/9223372036854775808",
            "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d/x/pump-1/1",
            "nobody/3/pump-1/1",
        ] {
            assert_eq!(RecordId::parse(wrong), None, "{wrong}");
        }
    }
}
