//! Hundreds of connections that say little, slowly, or far too much.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A body of so many bytes is announced, and sent by those who send theirs.
pub const LARGE: usize = 26 * 1024 * 1024;

/// What the strangers do.
#[derive(Clone, Copy)]
enum Strange {
    SlowHead,
    DrippingBody,
    Idle,
    Unsigned,
    WrongSignature,
}

/// So many of each.
const CROWD: [(Strange, u8, u32); 5] = [
    (Strange::SlowHead, 2, 200),
    (Strange::DrippingBody, 3, 200),
    (Strange::Idle, 4, 500),
    (Strange::Unsigned, 5, 25),
    (Strange::WrongSignature, 6, 25),
];

pub async fn connection(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// The head of a delivery whose signature has its form.
pub fn head(repository: u64, signed: bool, length: usize) -> String {
    let signature = "0".repeat(64);
    let signature = if signed {
        format!("X-Hub-Signature-256: sha256={signature}\r\n")
    } else {
        String::new()
    };
    format!(
        "POST /dploy HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: x\r\n\
         X-GitHub-Hook-Installation-Target-ID: {repository}\r\n{signature}Content-Length: {length}\r\n\r\n"
    )
}

/// Does it once, until the observer ends the connection.
async fn once(strange: Strange, mut stream: TcpStream, repository: u64) -> std::io::Result<()> {
    let mut answer = [0; 1024];
    match strange {
        Strange::Idle => {
            let _ = stream.read(&mut answer).await?;
        }
        Strange::SlowHead => {
            for byte in "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "
                .bytes()
                .chain(std::iter::repeat(b'x'))
            {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Strange::DrippingBody => {
            let head = head(repository, true, LARGE);
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Strange::Unsigned | Strange::WrongSignature => {
            let signed = matches!(strange, Strange::WrongSignature);
            let head = head(repository, signed, LARGE);
            stream.write_all(head.as_bytes()).await?;
            let chunk = vec![b'x'; 64 * 1024];
            let mut left = LARGE;
            while left > 0 {
                let n = left.min(chunk.len());
                stream.write_all(&chunk[..n]).await?;
                left -= n;
            }
            let _ = stream.read(&mut answer).await?;
        }
    }
    Ok(())
}

pub fn crowd(to: SocketAddr, repository: u64) -> Vec<AbortOnDropHandle<()>> {
    let all = CROWD
        .into_iter()
        .flat_map(|(strange, net, number)| (0..number).map(move |n| (strange, net, n)));
    all.map(|(strange, net, n)| {
        // a hundred of one address at most
        let from = Ipv4Addr::new(127, 0, net, 1 + u8::try_from(n / 100).unwrap());
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                if let Ok(stream) = connection(from, to).await {
                    let _ = once(strange, stream, repository).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }))
    })
    .collect()
}
