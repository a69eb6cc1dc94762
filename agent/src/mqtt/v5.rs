//! MQTT 5 by `rumqttc-next`. Its twin for 3.1.1 is `v3`.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AckMode, AsyncClient, ClientError, ConnectReturnCode, ConnectionError, EventLoop, LastWill,
    MqttOptions, NetworkOptions, Packet, PersistedAckMode, PersistedSession, PubAckReason, PubRec,
    PublishNotice, PublishNoticeError, PublishOptions, PublishProperties, PublishResult, Request,
    SessionStore, SessionStoreError, SessionStoreKey, StateError, SubscribeFilter, SubscribeNotice,
    SubscribeReasonCode, TlsConfiguration, Transport,
};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::acks::Acks;
use super::client::Unqueued;
use super::error::Fault;
use super::wire::{self, Security};
use super::{
    CONNECT_TIMEOUT, Cause, Connected, Event, LARGEST_PACKET, Options, Publish, PublishError, QoS,
    READ_BATCH, REQUEST_BATCH, Refusal, SubscribeError, Will,
};

pub(super) fn connect(
    options: &Options,
    acks: Option<&Arc<Acks>>,
) -> Result<(AsyncClient, EventLoop), String> {
    let broker = &options.broker;
    let mut network = NetworkOptions::new();
    // Packets are written in batches already; Nagle's algorithm would only hold back the last one.
    network.set_tcp_nodelay(true);

    let mut mqtt = MqttOptions::new(&broker.client_id, (broker.host.clone(), broker.port));
    mqtt.set_network_options(network)
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_keep_alive(u16::try_from(broker.keep_alive.as_secs()).unwrap_or(u16::MAX))
        .set_clean_start(options.clean)
        .set_receive_maximum(Some(options.receive_maximum.max(1)))
        .set_max_packet_size(Some(options.max_packet_size))
        .set_outgoing_inflight_upper_limit(options.in_flight.max(1))
        .set_max_request_batch(REQUEST_BATCH)
        .set_read_batch_size(READ_BATCH);
    if options.manual_acks {
        mqtt.set_ack_mode(AckMode::Manual);
    }
    if !options.clean {
        let expiry = u32::try_from(broker.session_expiry.as_secs()).unwrap_or(u32::MAX);
        mqtt.set_session_expiry_interval(Some(expiry));
        let store = BlankSession::of(&mqtt);
        mqtt.set_session_store(store);
    }
    if let Some(credentials) = &broker.credentials {
        mqtt.set_credentials(&credentials.username, credentials.password.clone());
    }
    if let Some(will) = &options.will {
        let Will {
            topic,
            payload,
            qos,
            retain,
        } = will.clone();
        mqtt.set_last_will(LastWill::new(topic, payload, to_crate(qos), retain, None));
    }
    let tls = broker.tls.as_ref().map(|tls| TlsConfiguration::Simple {
        ca: tls.ca.clone(),
        alpn: None,
        client_auth: tls.client.clone(),
    });
    if let Some(acks) = acks {
        let security = tls.map(|configuration| Security {
            host: broker.host.clone(),
            configuration,
        });
        let acks = Arc::clone(acks);
        mqtt.set_socket_connector(move |address, _| {
            wire::dial(address, security.clone(), Arc::clone(&acks))
        });
    } else if let Some(tls) = tls {
        mqtt.set_transport(Transport::Tls(tls));
    }
    AsyncClient::builder(mqtt)
        .capacity(options.request_capacity)
        .try_build()
        .map_err(|error| error.to_string())
}

/// Claims to know the session that the broker kept, and has nothing to send again.
///
/// The broker may resume a session that this process knows nothing about, since it has been restarted. The crate
/// (unlike its twin) takes that for a fault, or else refuses every subscription and every publish of `QoS` 1, unless a
/// session store was there first. The event loop removes this one after the first CONNACK: later sessions are known
/// from memory, and at each packet the crate copies all that is in flight for the store, which with 200 messages under way
/// makes a publish cost 25 µs of CPU instead of 7.
#[derive(Debug)]
struct BlankSession(PersistedSession);

impl BlankSession {
    fn of(options: &MqttOptions) -> Self {
        Self(PersistedSession {
            format_version: 1,
            client_id: options.client_id(),
            clean_start: options.clean_start(),
            session_expiry_interval: options.session_expiry_interval(),
            outgoing_inflight_upper_limit: options.get_outgoing_inflight_upper_limit(),
            ack_mode: match options.ack_mode() {
                AckMode::Automatic => PersistedAckMode::Automatic,
                AckMode::Manual => PersistedAckMode::Manual,
            },
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        })
    }
}

impl SessionStore for BlankSession {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> Stored<'a, Option<PersistedSession>> {
        ready(Ok(Some(self.0.clone()))).boxed()
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Stored<'a, ()> {
        ready(Ok(())).boxed()
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Stored<'a, ()> {
        ready(Ok(())).boxed()
    }
}

type Stored<'a, T> = BoxFuture<'a, Result<T, SessionStoreError>>;

/// Takes note that a message of `QoS` 2 is acknowledged as received. Whether it still needs to be.
pub(super) fn received(event_loop: &mut EventLoop, pkid: u16) -> bool {
    let pubrec = Request::PubRec(PubRec::new(pkid, None));
    matches!(event_loop.state.handle_outgoing_packet(pubrec), Ok(Some(_)))
}

/// `None` for what nobody needs to know.
pub(super) fn event(event: rumqttc::Event) -> Option<Event> {
    match event {
        rumqttc::Event::Incoming(Packet::Publish(publish)) => Some(Event::Publish(Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos: from_crate(publish.qos),
            retain: publish.retain,
            dup: publish.dup,
            pkid: publish.pkid,
            ack: None,
        })),
        rumqttc::Event::Incoming(Packet::ConnAck(ack)) => {
            let properties = ack.properties.as_ref();
            Some(Event::Connected(Connected {
                session_present: ack.session_present,
                receive_maximum: properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX),
                max_packet_size: properties
                    .and_then(|p| p.max_packet_size)
                    .unwrap_or(LARGEST_PACKET),
            }))
        }
        _ => None,
    }
}

/// `None` if the connection was closed on this side.
pub(super) fn fault(error: ConnectionError) -> Option<Fault> {
    Some(match error {
        ConnectionError::RequestsDone => return None,
        ConnectionError::Io(error) => error.into(),
        ConnectionError::Tls(error) => error.into(),
        ConnectionError::Timeout(_) => Cause::Timeout.into(),
        ConnectionError::MqttState(error) => state_fault(error),
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                Cause::Credentials
            }
            other => Cause::Rejected(format!("{other:?}")),
        }
        .into(),
        other => Cause::Protocol(other.to_string()).into(),
    })
}

fn state_fault(error: StateError) -> Fault {
    match error {
        StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)) => error.into(),
        StateError::ConnectionAborted => Cause::Lost.into(),
        StateError::AwaitPingResp => Cause::Stalled.into(),
        StateError::ServerDisconnect {
            reason_code,
            reason_string,
        } => {
            Cause::Disconnected(reason_string.unwrap_or_else(|| format!("{reason_code:?}"))).into()
        }
        other => Cause::Protocol(other.to_string()).into(),
    }
}

pub(super) fn publish_options(qos: QoS, retain: bool) -> PublishOptions {
    PublishOptions::new(to_crate(qos)).retain(retain)
}

/// As [`publish_options`], with a Message Expiry Interval of at least a second.
pub(super) fn expiring(qos: QoS, retain: bool, expiry: Option<Duration>) -> PublishOptions {
    let options = publish_options(qos, retain);
    let Some(expiry) = expiry else {
        return options;
    };
    let seconds = u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX).max(1);
    options.properties(PublishProperties {
        message_expiry_interval: Some(seconds),
        ..PublishProperties::default()
    })
}

pub(super) async fn published(notice: PublishNotice) -> Result<(), PublishError> {
    use PubAckReason::{NoMatchingSubscribers, Success};

    match notice.wait_async().await {
        Ok(PublishResult::Qos1(ack)) if !matches!(ack.reason, Success | NoMatchingSubscribers) => {
            Err(PublishError::Refused {
                code: ack.reason as u8,
                name: format!("{:?}", ack.reason),
                reason: ack.properties.and_then(|p| p.reason_string),
            })
        }
        Ok(_) => Ok(()),
        // Not even sent, but the answer would be the same.
        Err(PublishNoticeError::RetainNotSupported) => Err(PublishError::Refused {
            code: 0x9a,
            name: "RetainNotSupported".to_owned(),
            reason: None,
        }),
        Err(_) => Err(PublishError::Lost),
    }
}

pub(super) async fn subscribe<F: AsRef<str>>(
    client: &AsyncClient,
    filters: &[(F, QoS)],
) -> Result<SubscribeNotice, Unqueued> {
    let filters: Vec<_> = filters
        .iter()
        .map(|(filter, qos)| SubscribeFilter::new(filter.as_ref(), to_crate(*qos)))
        .collect();
    Ok(client.subscribe_many_tracked(filters).await?)
}

pub(super) async fn subscribed(
    notice: SubscribeNotice,
    filters: Vec<String>,
) -> Result<(), SubscribeError> {
    let ack = notice
        .wait_async()
        .await
        .map_err(|_| SubscribeError::Lost)?;
    let refused: Vec<_> = filters
        .into_iter()
        .zip(ack.return_codes)
        .filter(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)))
        .map(|(filter, code)| Refusal {
            filter,
            reason: format!("{code:?}"),
        })
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(SubscribeError::Refused(refused))
    }
}

impl From<ClientError> for Unqueued {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::InvalidRequest(_) => Self::Invalid,
            _ => Self::Closed,
        }
    }
}

fn to_crate(qos: QoS) -> rumqttc::QoS {
    match qos {
        QoS::AtMostOnce => rumqttc::QoS::AtMostOnce,
        QoS::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        QoS::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
    }
}

fn from_crate(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}
