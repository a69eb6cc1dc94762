//! One question to the agent's page.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// How long to wait for the connection, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer at most.
const MOST: u64 = 16 << 20;

/// The JSON at `path` of the page at `url`, `http://host[:port]`.
pub(super) fn json(url: &str, path: &str) -> anyhow::Result<Value> {
    let body = get(url, path).with_context(|| format!("no agent answers at {url}"))?;
    serde_json::from_str(&body).with_context(|| format!("{url} is no page of an agent"))
}

fn get(url: &str, path: &str) -> anyhow::Result<String> {
    let Some(host) = url.strip_prefix("http://") else {
        bail!("the page's URL is http://host:port");
    };
    let host = host.trim_end_matches('/');
    // A port, unless the last colon is inside an IPv6 address.
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return talk(stream, host, path),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("no such host"), Into::into))
}

fn talk(mut stream: TcpStream, host: &str, path: &str) -> anyhow::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // 1.0: the answer ends with the connection, in one piece.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "it says {status}: {}", body.trim());
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of it: what is left unread when it hangs up would take the answer along.
            let mut asked = Vec::new();
            let mut byte = [0];
            while !asked.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            assert!(asked.starts_with(b"GET /x HTTP/1.0\r\nHost: 127.0.0.1:"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn an_answer_is_read_whole() {
        let url = answering("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\": 1}");
        assert_eq!(json(&url, "/x").unwrap()["a"], 1);
    }

    #[test]
    fn what_is_no_agent_is_said_to_be_none() {
        let said = |answer| format!("{:#}", json(&answering(answer), "/x").unwrap_err());
        assert!(said("HTTP/1.1 421 Misdirected\r\n\r\nask me\n").ends_with("it says 421: ask me"));
        assert!(said("SSH-2.0\r\n").ends_with("not HTTP"));
        assert!(said("HTTP/1.1 200 OK\r\n\r\nhello").contains("is no page of an agent"));
        let none = format!("{:#}", json("https://x", "/x").unwrap_err());
        assert!(
            none.ends_with("the page's URL is http://host:port"),
            "{none}"
        );
    }
}
