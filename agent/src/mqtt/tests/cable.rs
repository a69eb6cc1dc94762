//! A cable to a broker that can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to a port of this machine.
pub(super) struct Cable {
    /// Where to connect instead.
    pub(super) port: u16,
    cuts: watch::Sender<()>,
    forwarding: JoinHandle<()>,
}

impl Cable {
    pub(super) async fn to(broker: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, _) = watch::channel(());
        let each = cuts.clone();
        let forwarding = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut cut = each.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self {
            port,
            cuts,
            forwarding,
        }
    }

    /// Ends the connections that there are; new ones are forwarded again.
    pub(super) fn cut(&self) {
        self.cuts.send_replace(());
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}
