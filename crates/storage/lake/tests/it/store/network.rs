//! Servers that fail in each way, by answering wrongly, late or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::s3::{LONG, SECRETS, code, open, options};
use super::{PASSES, STAYS};

/// A server that gives each request the next answer, a status and a body, and then nobody listens any more. A request
/// without an answer waits for one.
struct Answers {
    endpoint: String,
    asked: Receiver<String>,
}

impl Answers {
    fn new<const N: usize>(answers: [&'static str; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                tell.send(request(&stream)).unwrap();
                let (status, body) = answer.split_once('\n').unwrap_or((answer, ""));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close", body.len());
                let head = format!("{head}\r\nLast-Modified: Sat, 28 Nov 2026 16:00:00 GMT\r\nETag: \"1\"\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        Self { endpoint, asked }
    }

    fn methods(&self) -> Vec<String> {
        self.asked.try_iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

/// The first line of a request that was read whole.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
    head[0].clone()
}

#[test]
fn what_passes_is_tried_again() {
    let server = Answers::new(["503 Slow Down", "429 Too Many Requests", "500 Internal Server Error", "200 OK"]);
    open("orders", &options(&server.endpoint)).put("a", b"x").unwrap();
    assert_eq!(server.methods(), ["PUT"; 4]);
}

#[test]
fn what_stays_is_not_tried_again() {
    for answer in ["403 Forbidden", "400 Bad Request", "401 Unauthorized", "301 Moved Permanently"] {
        let server = Answers::new([answer, "200 OK"]);
        let error = open("orders", &options(&server.endpoint)).put("a", b"x").unwrap_err();
        assert_eq!((code(&error), server.methods()), (STAYS.to_owned(), vec!["PUT".to_owned()]), "{answer}");
    }
}

#[test]
fn a_new_file_whose_answer_was_lost_counts_as_made() {
    let answers = ["500 Internal Server Error", "412 Precondition Failed", "200 OK\nmine", "200 OK"];
    let server = Answers::new(answers);
    assert!(open("orders", &options(&server.endpoint)).put_new("a", b"mine").unwrap());
    assert_eq!(server.methods(), ["PUT", "PUT", "GET", "PUT"]);

    let server = Answers::new(["500 Internal Server Error", "412 Precondition Failed", "200 OK\nof another"]);
    assert!(!open("orders", &options(&server.endpoint)).put_new("a", b"mine").unwrap());
    assert_eq!(server.methods(), ["PUT", "PUT", "GET"]);
}

#[test]
fn a_new_file_that_another_is_making_is_tried_again() {
    let conflict = "409 Conflict\n<Error><Code>ConditionalRequestConflict</Code></Error>";
    let server = Answers::new([conflict, "200 OK"]);
    assert!(open("orders", &options(&server.endpoint)).put_new("a", b"x").unwrap());
}

#[test]
fn what_a_server_says_about_keys_is_not_repeated() {
    let body = "403 Forbidden\n<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIAQWERTY7</AWSAccessKeyId>\
        <SignatureProvided>9d6c</SignatureProvided><Url>/orders?X-Amz-Signature=9d6c</Url></Error>";
    let server = Answers::new([body]);
    let error = open("orders", &options(&server.endpoint)).put("a", b"x").unwrap_err();
    assert_eq!(code(&error), STAYS);
    let chain = error.chain();
    assert!(chain.contains("SignatureDoesNotMatch") && !chain.contains("9d6c"), "{chain}");
}

#[test]
fn where_nobody_listens_it_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = format!("http://{}:{}@{address}", SECRETS[0], SECRETS[2]);
    for (timeout, retry_timeout) in [(LONG, Duration::from_millis(500)), (Duration::from_millis(500), LONG)] {
        let options = options(&endpoint).timeout(timeout).retry_timeout(retry_timeout);
        let (mut store, started) = (open("orders", &options), Instant::now());
        let error = store.put("a", b"x").unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(code(&error), PASSES, "{error:?}");
        assert!(error.chain().contains(&address.to_string()), "it says where: {}", error.chain());
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut store = open("orders", &options(&endpoint).timeout(Duration::from_millis(300)));
    for _ in 0..2 {
        let started = Instant::now();
        let error = store.read("a").unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(code(&error), PASSES, "{error:?}");
    }
}
