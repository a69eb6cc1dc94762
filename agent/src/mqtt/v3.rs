//! MQTT 3.1.1 by `rumqttc-v4-next`. Its twin for 5 is `v5`.

use std::sync::Arc;

use rumqttc_v4::mqttbytes::Error as PacketError;
use rumqttc_v4::{
    AckMode, AsyncClient, ClientError, ConnectReturnCode, ConnectionError, EventLoop, LastWill,
    MqttOptions, NetworkOptions, Packet, PubRec, PublishNotice, PublishOptions, Request,
    StateError, SubscribeFilter, SubscribeNotice, SubscribeReasonCode, TlsConfiguration, Transport,
};

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
    network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());

    let mut mqtt = MqttOptions::new(&broker.client_id, (broker.host.clone(), broker.port));
    mqtt.try_set_clean_session(options.clean)
        .map_err(|error| error.to_string())?
        .set_keep_alive(u16::try_from(broker.keep_alive.as_secs()).unwrap_or(u16::MAX))
        .set_max_packet_size(options.max_packet_size as usize, LARGEST_PACKET as usize)
        .set_inflight(options.in_flight.max(1))
        .set_max_request_batch(REQUEST_BATCH)
        .set_read_batch_size(READ_BATCH);
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
        mqtt.set_last_will(LastWill::new(topic, payload, to_crate(qos), retain));
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
        mqtt.set_ack_mode(AckMode::Manual)
            .set_socket_connector(move |address, _| {
                wire::dial(address, security.clone(), Arc::clone(&acks))
            });
    } else if let Some(tls) = tls {
        mqtt.set_transport(Transport::Tls(tls));
    }
    let (client, mut event_loop) = AsyncClient::builder(mqtt)
        .capacity(options.request_capacity)
        .try_build()
        .map_err(|error| error.to_string())?;
    event_loop.set_network_options(network);
    Ok((client, event_loop))
}

/// Takes note that a message of `QoS` 2 is acknowledged as received. Whether it still needs to be.
pub(super) fn received(event_loop: &mut EventLoop, pkid: u16) -> bool {
    let pubrec = Request::PubRec(PubRec::new(pkid));
    matches!(event_loop.state.handle_outgoing_packet(pubrec), Ok(Some(_)))
}

/// `None` for what nobody needs to know.
pub(super) fn event(event: rumqttc_v4::Event) -> Option<Event> {
    match event {
        rumqttc_v4::Event::Incoming(Packet::Publish(publish)) => Some(Event::Publish(Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos: from_crate(publish.qos),
            retain: publish.retain,
            dup: publish.dup,
            pkid: publish.pkid,
            ack: None,
        })),
        rumqttc_v4::Event::Incoming(Packet::ConnAck(ack)) => Some(Event::Connected(Connected {
            session_present: ack.session_present,
            receive_maximum: u16::MAX,
            max_packet_size: LARGEST_PACKET,
        })),
        _ => None,
    }
}

/// `None` if the connection was closed on this side.
pub(super) fn fault(error: ConnectionError) -> Option<Fault> {
    Some(match error {
        ConnectionError::RequestsDone => return None,
        ConnectionError::Io(error) => error.into(),
        ConnectionError::Tls(error) => error.into(),
        ConnectionError::NetworkTimeout => Cause::Timeout.into(),
        ConnectionError::FlushTimeout => Cause::Stalled.into(),
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
        other => Cause::Protocol(other.to_string()).into(),
    }
}

pub(super) fn publish_options(qos: QoS, retain: bool) -> PublishOptions {
    PublishOptions::new(to_crate(qos)).retain(retain)
}

pub(super) async fn published(notice: PublishNotice) -> Result<(), PublishError> {
    // A 3.1.1 broker has no way to refuse.
    notice
        .wait_async()
        .await
        .map(drop)
        .map_err(|_| PublishError::Lost)
}

pub(super) async fn subscribe<F: AsRef<str>>(
    client: &AsyncClient,
    filters: &[(F, QoS)],
) -> Result<SubscribeNotice, Unqueued> {
    let filters: Vec<_> = filters
        .iter()
        .map(|(filter, qos)| SubscribeFilter::new(filter.as_ref().to_owned(), to_crate(*qos)))
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
        .filter(|(_, code)| *code == SubscribeReasonCode::Failure)
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

fn to_crate(qos: QoS) -> rumqttc_v4::QoS {
    match qos {
        QoS::AtMostOnce => rumqttc_v4::QoS::AtMostOnce,
        QoS::AtLeastOnce => rumqttc_v4::QoS::AtLeastOnce,
        QoS::ExactlyOnce => rumqttc_v4::QoS::ExactlyOnce,
    }
}

fn from_crate(qos: rumqttc_v4::QoS) -> QoS {
    match qos {
        rumqttc_v4::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc_v4::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc_v4::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}
