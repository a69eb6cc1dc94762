//! Matching a topic against a template.

use crate::config::{TopicLevel, TopicTemplate};

/// The names that a template finds in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Captures {
    /// The device's name, if the template captures one; several levels are joined by `/`.
    pub(super) device: Option<String>,
    /// The channel's name, if the template captures one.
    pub(super) channel: Option<String>,
}

/// Matches level by level; `None` if the topic is not of this form.
pub(super) fn capture(template: &TopicTemplate, topic: &str) -> Option<Captures> {
    let mut found = Captures {
        device: None,
        channel: None,
    };
    let mut parts = topic.split('/');
    for level in &template.levels {
        let part = parts.next()?;
        match level {
            TopicLevel::Literal(text) if text != part => return None,
            // `+` matches an empty level in MQTT, but an empty name names nothing.
            TopicLevel::Device | TopicLevel::Channel if part.is_empty() => return None,
            TopicLevel::Literal(_) | TopicLevel::Any | TopicLevel::Named(_) => {}
            TopicLevel::Device => match &mut found.device {
                Some(name) => {
                    name.push('/');
                    name.push_str(part);
                }
                None => found.device = Some(part.to_owned()),
            },
            TopicLevel::Channel => found.channel = Some(part.to_owned()),
        }
    }
    parts.next().is_none().then_some(found)
}

/// The MQTT filter to subscribe with: captures become `+`.
pub(super) fn filter(template: &TopicTemplate) -> String {
    let levels: Vec<&str> = template
        .levels
        .iter()
        .map(|level| match level {
            TopicLevel::Literal(text) => text.as_str(),
            _ => "+",
        })
        .collect();
    levels.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> TopicTemplate {
        TopicTemplate {
            text: "plant/{site}/{device}/{channel}".into(),
            levels: vec![
                TopicLevel::Literal("plant".into()),
                TopicLevel::Named("site".into()),
                TopicLevel::Device,
                TopicLevel::Channel,
            ],
        }
    }

    fn check(topic: &str, expected: Option<(&str, &str)>) {
        let got = capture(&template(), topic).map(|c| (c.device.unwrap(), c.channel.unwrap()));
        let got = got.as_ref().map(|(d, c)| (d.as_str(), c.as_str()));
        assert_eq!(got, expected, "{topic}");
    }

    #[test]
    fn topics_match_level_by_level() {
        check("plant/hall-1/pump-1/flow", Some(("pump-1", "flow")));
        check("plant//pump-1/flow", Some(("pump-1", "flow")));
        check("plant/hall-1/pump-1", None);
        check("plant/hall-1/pump-1/flow/raw", None);
        check("Plant/hall-1/pump-1/flow", None);
        check("plant/hall-1//flow", None);
        check("", None);
    }

    #[test]
    fn a_device_may_take_several_levels() {
        let template = TopicTemplate {
            text: "{device}/x/{device}".into(),
            levels: vec![
                TopicLevel::Device,
                TopicLevel::Literal("x".into()),
                TopicLevel::Device,
            ],
        };
        let captures = capture(&template, "a/x/b").unwrap();
        assert_eq!(captures.device.as_deref(), Some("a/b"));
        assert_eq!(filter(&template), "+/x/+");
    }
}
