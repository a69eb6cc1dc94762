//! Assets: channels of several senders that describe one machine.

use std::collections::HashMap;

use crate::config::Asset;

/// Which channels belong to which asset, by sender and channel.
#[derive(Debug, Default)]
pub struct Assets(HashMap<String, HashMap<String, (String, String)>>);

impl Assets {
    /// As configured.
    pub fn new(assets: &[Asset]) -> Self {
        let mut members = HashMap::<_, HashMap<_, _>>::new();
        for asset in assets {
            for member in &asset.members {
                let of = members.entry(member.device.clone()).or_default();
                let place = (asset.name.clone(), member.name.clone());
                of.insert(member.channel.clone(), place);
            }
        }
        Self(members)
    }

    /// The names under which a channel is known: its asset's, or its own.
    pub(crate) fn member<'a>(&'a self, device: &'a str, channel: &'a str) -> (&'a str, &'a str) {
        let place = self.0.get(device).and_then(|of| of.get(channel));
        place.map_or((device, channel), |(asset, name)| (asset, name))
    }
}
