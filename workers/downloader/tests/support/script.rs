//! An HTTP server that does what no real one can be made to do: each request is answered by a function of the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A request as the function sees it.
#[derive(Debug)]
pub struct Request {
    /// Counts from 0, over all connections.
    pub number: usize,
    pub path: String,
    /// First and last byte asked for; the last is missing for an open range.
    pub range: Option<(usize, Option<usize>)>,
    pub head: String,
}

impl Request {
    /// The bytes of `content` that are asked for: an honest partial answer.
    pub fn partial(&self, content: &[u8]) -> Vec<u8> {
        let (first, last) = self.range.unwrap_or((0, None));
        let end = last.map_or(content.len(), |last| last + 1).min(content.len());
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{}/{}\r\nETag: \"1\"\r\n\r\n",
            end - first,
            end - 1,
            content.len()
        );
        [head.as_bytes(), &content[first..end]].concat()
    }
}

/// A running server; it ends with the process of the test.
pub struct Scripted {
    port: u16,
    requests: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
}

impl Scripted {
    /// Starts it. What the function returns is sent as it is, and the connection is closed behind it.
    pub fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (counter, total, answer) = (Arc::clone(&requests), Arc::clone(&sent), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (counter, total, answer) = (Arc::clone(&counter), Arc::clone(&total), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &counter, &total, &*answer));
            }
        });
        Self { port, requests, sent }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Bytes of bodies and heads that clients took.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, counter: &AtomicUsize, total: &AtomicU64, answer: &dyn Fn(&Request) -> Vec<u8>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let lower = head.to_ascii_lowercase();
    let range = lower.lines().find_map(|line| line.strip_prefix("range: bytes=")).map(|range| {
        let (first, last) = range.trim().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().ok())
    });
    let number = counter.fetch_add(1, Ordering::SeqCst);
    let bytes = answer(&Request { number, path, range, head });
    let mut stream = stream;
    for piece in bytes.chunks(64 << 10) {
        // The client may have seen enough.
        if stream.write_all(piece).is_err() {
            return;
        }
        total.fetch_add(piece.len() as u64, Ordering::SeqCst);
    }
}
