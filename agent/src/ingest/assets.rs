//! Assets: channels of several senders that describe one machine.

use std::collections::HashMap;

use crate::config::Asset;

/// Which channels belong to which asset, by sender and channel.
#[derive(Debug, Default)]
pub struct Assets(HashMap<String, HashMap<String, (String, String, u8)>>);

impl Assets {
    /// As configured.
    pub fn new(assets: &[Asset]) -> Self {
        let mut members = HashMap::<_, HashMap<_, _>>::new();
        for asset in assets {
            let mut senders: Vec<&str> = Vec::new();
            for member in &asset.members {
                let known = senders.iter().position(|known| *known == member.device);
                let sender = known.unwrap_or_else(|| {
                    senders.push(&member.device);
                    senders.len() - 1
                });
                // The last number is shared by all that are too many.
                let sender = u8::try_from(sender + 1).unwrap_or(u8::MAX);
                let of = members.entry(member.device.clone()).or_default();
                let place = (asset.name.clone(), member.name.clone(), sender);
                of.insert(member.channel.clone(), place);
            }
        }
        Self(members)
    }

    /// The names under which a channel is known: its asset's, or its own. And which of the asset's senders it is of, from
    /// 1 on in the order of the configuration; 0 if it is its own.
    pub(crate) fn member<'a>(
        &'a self,
        device: &'a str,
        channel: &'a str,
    ) -> (&'a str, &'a str, u8) {
        let place = self.0.get(device).and_then(|of| of.get(channel));
        place.map_or((device, channel, 0), |(asset, name, sender)| {
            (asset, name, *sender)
        })
    }
}
