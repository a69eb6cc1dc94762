//! A subscriber that keeps what it gets, byte for byte.

use std::sync::{Arc, Mutex};

use eyot::mqtt::{self, Client, Event, QoS};
use eyot_lab::collector::local_broker;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::until;

/// Topic and payload.
type Message = (String, Vec<u8>);

/// Messages by topic and payload, in order of arrival. Unsubscribes when dropped.
pub(crate) struct Watch {
    messages: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
    /// A connection without clients comes to its end.
    _client: Client,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Subscribes at a broker on loopback and returns once it is subscribed.
    pub(crate) async fn start(port: u16, filter: &str) -> Self {
        let mut options = mqtt::Options::subscriber(local_broker(port, "watch"), 1_000);
        options.clean = true;
        let (client, mut events) = mqtt::connect(&options).unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&messages);
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Publish(publish) = event {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    keep.lock().unwrap().push((topic, publish.payload.to_vec()));
                }
            }
        });
        let ack = client
            .subscribe(&[(filter, QoS::AtLeastOnce)])
            .await
            .unwrap();
        ack.await.unwrap();
        Self {
            messages,
            task,
            _client: client,
        }
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.messages.lock().unwrap().clone()
    }

    /// The newest message, as JSON, once it is what `done` wants.
    pub(crate) async fn newest(&self, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        until(what, async || {
            let (_, payload) = self.all().pop()?;
            let value = serde_json::from_slice(&payload).unwrap();
            done(&value).then_some(value)
        })
        .await
    }
}
