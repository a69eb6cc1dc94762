mod acks;
mod cable;
mod delivery;
mod fault;
mod mosquitto;
mod session;
mod tls;
mod wire;

use std::future::IntoFuture;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::cable::Cable;
use self::mosquitto::{Mosquitto, free_port};
use super::*;

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives a future its deadline.
async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

fn broker(version: MqttVersion, port: u16, client_id: &str) -> Broker {
    Broker {
        host: "localhost".to_owned(),
        port,
        version,
        // The versions share a broker, but not a session.
        client_id: format!("{client_id}-{version:?}"),
        keep_alive: Duration::from_mins(1),
        session_expiry: Duration::from_hours(1),
        credentials: None,
        tls: None,
    }
}

/// A connection with its event loop in a task; dropping it is what the end of a process is to the broker.
struct Connection {
    client: Client,
    events: mpsc::UnboundedReceiver<Result<Event, MqttError>>,
    task: JoinHandle<()>,
}

impl Connection {
    fn open(options: &Options) -> Self {
        let (client, mut event_loop) = connect(options).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let event = event_loop.poll().await;
                let pause = event.is_err();
                let end = matches!(event, Err(MqttError::Closed));
                if sender.send(event).is_err() || end {
                    return;
                }
                while let Some(event) = event_loop.buffered() {
                    let _ = sender.send(Ok(event));
                }
                if pause {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self {
            client,
            events,
            task,
        }
    }

    fn subscriber(version: MqttVersion, port: u16, client_id: &str) -> Self {
        Self::open(&Options::subscriber(broker(version, port, client_id), 100))
    }

    fn publisher(version: MqttVersion, port: u16, client_id: &str) -> Self {
        Self::open(&Options::publisher(broker(version, port, client_id), 100))
    }

    async fn event(&mut self) -> Result<Event, MqttError> {
        soon(self.events.recv()).await.expect("an event")
    }

    async fn connected(&mut self) -> Connected {
        match self.event().await {
            Ok(Event::Connected(connected)) => connected,
            other => panic!("not connected but {other:?}"),
        }
    }

    async fn message(&mut self) -> Publish {
        match self.event().await {
            Ok(Event::Publish(publish)) => publish,
            other => panic!("not a message but {other:?}"),
        }
    }

    async fn cause(&mut self) -> Cause {
        match self.event().await {
            Err(MqttError::Connection { cause, .. }) => cause,
            other => panic!("not a failed connection but {other:?}"),
        }
    }

    async fn subscribe(&self, filter: &str, qos: QoS) {
        soon(self.client.subscribe(&[(filter, qos)]).await.unwrap())
            .await
            .unwrap();
    }

    async fn send(&self, topic: &str, payload: impl Into<Bytes>) -> Result<(), PublishError> {
        let ack = self
            .client
            .publish_tracked(topic, QoS::AtLeastOnce, false, payload.into())
            .await
            .unwrap();
        soon(ack).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A broker that accepts whoever comes, with this CONNACK.
async fn fake_broker(connack: &'static [u8]) -> (u16, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connection = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_packet(&mut stream).await;
        stream.write_all(connack).await.unwrap();
        stream
    });
    (port, connection)
}

/// What follows the fixed header of a packet of less than 128 bytes.
async fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).await.unwrap();
    let mut rest = vec![0; usize::from(header[1])];
    stream.read_exact(&mut rest).await.unwrap();
    rest
}

const fn connack(version: MqttVersion) -> &'static [u8] {
    match version {
        MqttVersion::V3 => &[0x20, 2, 0, 0],
        MqttVersion::V5 => &[0x20, 3, 0, 0, 0],
    }
}
