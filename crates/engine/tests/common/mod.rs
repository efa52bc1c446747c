//! A server whose application is a closure, and a client that reads replies strictly.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::disallowed_methods, reason = "waits of tests have a limit")]
#![allow(unreachable_pub, reason = "shared by test binaries, public to none")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use headwaiter_engine::{
    BindError, Flushed, HeadOptions, ListenSpec, Listeners, Listening, Server, Settings, Task,
};
use headwaiter_http::ReplyHead;

pub type App = Arc<dyn Fn(&mut Task) + Send + Sync>;

pub struct Site {
    pub server: Arc<Server>,
    pub address: SocketAddr,
    app: App,
    workers: Vec<JoinHandle<()>>,
    finished: mpsc::Receiver<()>,
}

impl Site {
    pub fn new(settings: Settings, app: impl Fn(&mut Task) + Send + Sync + 'static) -> Self {
        Self::prepared(settings, |_| (), app)
    }

    /// A site whose server `prepare` sees before it starts.
    pub fn prepared(
        settings: Settings,
        prepare: impl FnOnce(&Server),
        app: impl Fn(&mut Task) + Send + Sync + 'static,
    ) -> Self {
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let server = bind(settings, &[any]).unwrap();
        prepare(&server);
        Self::of(server, app)
    }

    /// A site of a server that has not started.
    pub fn of(server: Server, app: impl Fn(&mut Task) + Send + Sync + 'static) -> Self {
        let app: App = Arc::new(app);
        let threads = server.settings().threads;
        let server = Arc::new(server);
        let Listening::Tcp(address) = server.listening()[0] else {
            panic!("a TCP address")
        };
        let (tell, finished) = mpsc::channel();
        server
            .start(Box::new(move || tell.send(()).unwrap()))
            .unwrap();
        let mut site = Self {
            server,
            address,
            app,
            workers: Vec::new(),
            finished,
        };
        for _ in 0..threads {
            site.another_worker();
        }
        site
    }

    /// A site whose tasks wait at the gate, one by one, before they are answered.
    pub fn gated(settings: Settings) -> (Self, Gate) {
        let gate = Gate::default();
        let door = gate.clone();
        let site = Self::new(settings, move |task| {
            door.wait();
            echo_path(task);
        });
        (site, gate)
    }

    pub fn another_worker(&mut self) {
        let (server, app) = (Arc::clone(&self.server), Arc::clone(&self.app));
        self.workers.push(std::thread::spawn(move || {
            let mut tasks = server.tasks();
            loop {
                while let Some(mut task) = tasks.next() {
                    app(&mut task);
                    if task.is_crowded() {
                        // A client that has left is dealt with as the task is given back.
                        let _ = task.make_room();
                    }
                    tasks.complete(task);
                }
                if !tasks.park() {
                    break;
                }
            }
        }));
    }

    pub fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// A client of the admin endpoint.
    pub fn admin(&self) -> Client {
        let Listening::Tcp(address) = self.server.admin_listening()[0] else {
            panic!("a TCP address")
        };
        Client::to(address)
    }

    /// Waits for the drain, then for every worker.
    pub fn join(self) -> Arc<Server> {
        self.finished
            .recv_timeout(PATIENCE)
            .expect("the server drains");
        for worker in self.workers {
            worker.join().unwrap();
        }
        self.server
    }

    pub fn stop(self) -> Arc<Server> {
        self.server.stop();
        self.join()
    }

    /// What `/status.json` would show.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.server.status()).unwrap()
    }

    pub fn stat(&self, name: &str) -> u64 {
        self.server
            .stats()
            .into_iter()
            .find(|(n, _)| *n == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .1 as u64
    }

    /// Waits until a figure has reached `least`.
    pub fn until(&self, name: &str, least: u64) {
        wait_for(&format!("{name} >= {least}"), || self.stat(name) >= least);
    }

    /// Waits until a figure is exactly `value`.
    pub fn until_is(&self, name: &str, value: u64) {
        wait_for(&format!("{name} == {value}"), || self.stat(name) == value);
    }
}

/// Waits for an event that leaves no trace to block on.
pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !happened() {
        assert!(std::time::Instant::now() < end, "gave up waiting: {what}");
        std::thread::yield_now();
    }
}

pub struct Client {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send(request(path)).reply()
    }

    pub fn get_as(&mut self, path: &str, host: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .reply()
    }

    /// The head of the next reply.
    pub fn head(&mut self) -> Vec<u8> {
        self.until(b"\r\n\r\n").expect("a reply head")
    }

    /// The next reply, framed by Content-Length or none.
    pub fn reply(&mut self) -> Reply {
        let head = self.until(b"\r\n\r\n").expect("a reply head");
        let head = String::from_utf8(head).unwrap();
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse().unwrap());
        while self.buffer.len() < length {
            assert!(
                self.fill() > 0,
                "closed inside a body of {length} after {:?}",
                self.buffer.len()
            );
        }
        let body = self.buffer.drain(..length).collect();
        Reply { status, head, body }
    }

    /// Everything until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill() == 0
    }

    fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self
                .buffer
                .windows(mark.len())
                .position(|window| window == mark)
            {
                return Some(self.buffer.drain(..at + mark.len()).collect());
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    fn fill(&mut self) -> usize {
        let mut piece = [0; 65536];
        let got = match self.stream.read(&mut piece) {
            Ok(got) => got,
            // A reset is an end, too; what was read before stays.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        };
        self.buffer.extend_from_slice(&piece[..got]);
        got
    }
}

pub fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A complete reply with `body`.
pub fn answer(task: &mut Task, body: &[u8]) {
    begin(task, Some(body.len()), &[]);
    task.reply_body_copied(body).unwrap();
    task.finish_reply();
}

/// The head of a reply whose body has `length` bytes, if that is known.
pub fn begin(task: &mut Task, length: Option<usize>, fields: &[(&str, &str)]) {
    let mut head = ReplyHead::new();
    head.begin(b"200 OK").unwrap();
    for (name, value) in fields {
        head.field(name.as_bytes(), value.as_bytes()).unwrap();
    }
    let options = HeadOptions {
        date: DATE,
        known_length: length.map(|length| length as u64),
        server_timing: false,
    };
    task.reply_head(&mut head, &options).unwrap();
    task.record().status = head.status();
}

/// Answers with the path.
pub fn echo_path(task: &mut Task) {
    let path = task.head().path().to_vec();
    answer(task, &path);
}

/// Streams `data`, waiting for the client where the engine says so. `false`: the client is gone.
pub fn stream(task: &mut Task, data: &[u8]) -> bool {
    task.reply_body_copied(data).unwrap();
    match task.flush() {
        Ok(Flushed::HandedOver) => true,
        Ok(Flushed::Full) => task.make_room().is_ok(),
        Err(_) => false,
    }
}

/// A door that tasks wait at until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    pub fn wait(&self) {
        let mut open = self.0.0.lock().unwrap();
        while *open == 0 {
            open = self.0.1.wait(open).unwrap();
        }
        *open -= 1;
    }

    /// Lets `n` through.
    pub fn open(&self, n: usize) {
        *self.0.0.lock().unwrap() += n;
        self.0.1.notify_all();
    }
}

/// Binds and makes the server, which is not started yet.
pub fn bind(settings: Settings, specs: &[ListenSpec]) -> Result<Server, BindError> {
    let listeners = Listeners::bind(specs, &settings.admin, settings.bind_options())?;
    Server::new(settings, listeners)
}

pub fn settings() -> Settings {
    Settings {
        threads: 2,
        ..Settings::for_tests()
    }
}

/// The `Date` of replies.
pub const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// What a test waits at most for something that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(20);
