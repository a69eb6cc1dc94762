//! The socket of a connection that is acknowledged by hand.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rumqttc::{TlsConfiguration, TlsError};
use rumqttc_core::DynAsyncReadWrite;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::CONNECT_TIMEOUT;
use super::acks::Acks;

/// TLS as the crates do it, but here, since acknowledgements join the stream before it is encrypted.
#[derive(Debug, Clone)]
pub(super) struct Security {
    /// The name that the broker's certificate must have.
    pub(super) host: String,
    pub(super) configuration: TlsConfiguration,
}

/// Connects to `address`, a host with its port.
pub(super) async fn dial(
    address: String,
    security: Option<Security>,
    acks: Arc<Acks>,
) -> io::Result<Wire<DynAsyncReadWrite>> {
    let tcp: DynAsyncReadWrite = Box::new(dial_tcp(&address).await?);
    let stream = match security {
        None => tcp,
        // The port is used for nothing.
        Some(tls) => rumqttc_core::tls_connect(&tls.host, 0, &tls.configuration, tcp)
            .await
            .map_err(|error| match error {
                TlsError::Io(error) => error,
                error => io::Error::other(error),
            })?,
    };
    Ok(Wire::new(stream, acks))
}

/// Tries one address of the host after the other. Each has its share of the time, so that one that swallows
/// everything doesn't keep us from the next.
async fn dial_tcp(address: &str) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host(address).await?.collect();
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error,
            Err(elapsed) => failure = elapsed.into(),
        }
    }
    Err(failure)
}

/// A stream that puts acknowledgements between the packets that are written to it.
///
/// The crates write through `tokio_util`'s `Framed`, whose buffer holds whole packets and is offered in full: where a
/// write was taken in full, a packet has ended. Whoever waits for input writes what has gathered; that is where a
/// connection spends its time.
pub(super) struct Wire<S> {
    stream: S,
    acks: Arc<Acks>,
    /// Acknowledgements that are being written, and how much of them has been.
    batch: Vec<u8>,
    written: usize,
    /// Whether what was written may still be in a buffer of TLS.
    unflushed: bool,
    /// Whether the crate's last write ended inside a packet.
    in_packet: bool,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, acks: Arc<Acks>) -> Self {
        Self {
            stream,
            acks,
            batch: Vec::new(),
            written: 0,
            unflushed: false,
            in_packet: false,
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Ready when nothing is left to write, and then `cx` is woken by the next acknowledgement.
    fn poll_acks(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.written == self.batch.len() {
                self.batch.clear();
                self.written = 0;
                self.acks.take(&mut self.batch, cx.waker());
            }
            if self.batch.is_empty() {
                if self.unflushed {
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Ready(Ok(()));
            }
            let rest = &self.batch[self.written..];
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.unflushed = true;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.in_packet
            && let Poll::Ready(Err(error)) = wire.poll_acks(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut wire.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if !wire.in_packet {
            ready!(wire.poll_acks(cx))?;
        }
        let count = ready!(Pin::new(&mut wire.stream).poll_write(cx, buf))?;
        wire.in_packet = count < buf.len();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S> Drop for Wire<S> {
    /// Before there is another connection: nothing of this one may be written to that.
    fn drop(&mut self) {
        self.acks.close();
    }
}
