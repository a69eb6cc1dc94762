//! An embedded broker, for the demo: nothing to install. The tests use a real mosquitto.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// A broker in this process. It lives as long as the process.
#[derive(Debug)]
pub struct EmbeddedBroker {
    /// Port on loopback, MQTT 5 and 3.1.1 on one port each.
    pub port: u16,
}

impl EmbeddedBroker {
    /// Starts a broker on `port`, or on a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: Option<u16>) -> anyhow::Result<Self> {
        let port = match port {
            Some(port) => port,
            None => free_port()?,
        };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = ServerSettings {
            name: "v5".into(),
            listen,
            tls: None,
            next_connection_delay_ms: 1,
            connections: ConnectionSettings {
                connection_timeout_ms: 5_000,
                max_payload_size: 1 << 20,
                max_inflight_count: 1_000,
                auth: None,
                external_auth: None,
                dynamic_filters: true,
            },
        };
        let mut broker = Broker::new(Config {
            id: 0,
            router: RouterConfig {
                max_connections: 100,
                max_outgoing_packet_count: 1_000,
                max_segment_size: 64 << 20,
                max_segment_count: 8,
                ..RouterConfig::default()
            },
            v5: Some(HashMap::from([("v5".to_owned(), server)])),
            ..Config::default()
        });
        thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                if let Err(error) = broker.start() {
                    tracing::error!(%error, "the embedded broker ended");
                }
            })?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(listen).is_err() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the embedded broker does not listen on {listen}"
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { port })
    }
}

/// Ports that the kernel gives to no outgoing connection, on any usual system.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port on loopback that nobody listens on, and that this process is not given again: a broker that
/// is killed finds its port free when it comes back.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Processes started one after the other get numbers close together: spread them.
    let first = std::process::id().wrapping_mul(251);
    for _ in 0..count {
        let n = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + n as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port of {PORTS:?} is free")
}
