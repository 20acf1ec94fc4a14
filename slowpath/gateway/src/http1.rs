//! HTTP/1.1 and nothing else: what begins as HTTP/2 does is ended.
//!
//! A connection of HTTP/1.1 has one request at a time, so that what it can take of the process's memory is known. One
//! of HTTP/2 has hundreds, with answers that wait for a window that the client does not open. The server's own switch
//! for this would take WebSockets away as well.

use crate::watched::{Watch, Watched};
use axum_server::accept::Accept;
use std::io;
use std::pin::Pin;

/// How a connection of HTTP/2 begins, as far as no method of HTTP/1.1 does.
const BEGIN: &[u8] = b"PRI *";

/// An acceptor whose connections speak HTTP/1.1, within TLS if `A` does that.
#[derive(Clone, Debug)]
pub(crate) struct Http1Acceptor<A>(pub(crate) A);

impl<A, I, S> Accept<I, S> for Http1Acceptor<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = Watched<A::Stream, Preface>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let watch = Preface::default();
            Ok((Watched { stream, watch }, service))
        })
    }
}

/// Fails once a connection has begun as HTTP/2 does.
#[derive(Debug, Default)]
pub(crate) struct Preface {
    /// Bytes that it has in common with [`BEGIN`], from its first; `usize::MAX`: it is something else.
    begun: usize,
}

impl Watch for Preface {
    fn look(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            match BEGIN.get(self.begun) {
                Some(expected) if expected == byte => self.begun += 1,
                _ => {
                    self.begun = usize::MAX;
                    return Ok(());
                }
            }
            if self.begun == BEGIN.len() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "HTTP/2 is not spoken here",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::serve_few;
    use axum::Router;
    use std::net::{SocketAddr, TcpListener};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// What comes of it, until the server ends the connection.
    async fn answer(address: SocketAddr, parts: &[&[u8]]) -> Vec<u8> {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.set_nodelay(true).unwrap();
        for part in parts {
            // It may be closed already.
            let _closed = client.write_all(part).await;
            tokio::task::yield_now().await;
        }
        let mut answer = Vec::new();
        let _reset = client.read_to_end(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn a_preface_of_http_2_ends_the_connection_and_http_1_is_served() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_few(listener, Router::new(), 8));
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(answer(address, &[preface, &settings]).await, b"");
        let (begin, rest) = preface.split_at(3);
        assert_eq!(answer(address, &[begin, rest, &settings]).await, b"");
        let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000));
        let refused = answer(address, &[head.as_bytes()]).await;
        assert!(!refused.starts_with(b"HTTP/1.1 404"), "a head of 40 KB");
        for method in ["GET", "PRINT", "P"] {
            let request = format!("{method} / HTTP/1.1\r\nConnection: close\r\n\r\n");
            let answer = answer(address, &[request.as_bytes()]).await;
            assert!(answer.starts_with(b"HTTP/1.1 404"), "{method}");
        }
    }
}
