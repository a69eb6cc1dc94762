//! Topics: `spBv1.0/{group}/{type}/{node}[/{device}]` (Sparkplug 3.0.0, chapter 4).

use crate::format::FormatError;

const NAMESPACE: &str = "spBv1.0";

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Birth,
    Data,
    Death,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic<'t> {
    pub kind: Kind,
    pub group: &'t str,
    pub node: &'t str,
    /// `""` for the edge node itself.
    pub device: &'t str,
}

impl<'t> Topic<'t> {
    /// Reads a topic; `None` if its messages are not about values: commands, which are for devices,
    /// and the state of hosts, which is JSON.
    ///
    /// # Errors
    /// If it is no topic of Sparkplug B.
    pub(super) fn parse(topic: &'t str) -> Result<Option<Self>, FormatError> {
        let mut levels = topic.split('/');
        let mut level = || levels.next().filter(|level| !level.is_empty());
        let found = (level(), level(), level(), level(), level(), level());
        let (group, kind, node, device) = match found {
            (Some("STATE"), ..) | (Some(NAMESPACE), Some("STATE"), ..) => return Ok(None),
            (Some(NAMESPACE), Some(group), Some(kind), Some(node), device, None) => {
                (group, kind, node, device)
            }
            _ => return Err(not_sparkplug(topic)),
        };
        let (kind, device) = match (kind, device) {
            ("NCMD" | "DCMD", _) => return Ok(None),
            ("NBIRTH", None) => (Kind::Birth, ""),
            ("NDATA", None) => (Kind::Data, ""),
            ("NDEATH", None) => (Kind::Death, ""),
            ("DBIRTH", Some(device)) => (Kind::Birth, device),
            ("DDATA", Some(device)) => (Kind::Data, device),
            ("DDEATH", Some(device)) => (Kind::Death, device),
            _ => return Err(not_sparkplug(topic)),
        };
        Ok(Some(Self {
            kind,
            group,
            node,
            device,
        }))
    }

    /// The edge node; no other has the same group and name.
    pub(super) fn of_node(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    /// Where the edge node takes commands.
    pub(super) fn of_commands(&self) -> String {
        format!("{NAMESPACE}/{}/NCMD/{}", self.group, self.node)
    }
}

fn not_sparkplug(topic: &str) -> FormatError {
    FormatError(format!(
        "the topic `{topic}` is not `{NAMESPACE}/group/type/node` or \
         `{NAMESPACE}/group/type/node/device`, so this is not Sparkplug B; narrow the rule's topics"
    ))
}
