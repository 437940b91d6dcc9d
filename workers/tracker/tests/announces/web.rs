//! Browsers over WebSocket: offers and answers pass from one to the other, nobody speaks in another's name.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::wire::{Tracker, WORDS, settings};

struct Browser(WebSocketStream<MaybeTlsStream<TcpStream>>, String);

fn text(byte: u8) -> String {
    String::from(char::from(byte)).repeat(20)
}

impl Browser {
    async fn connect(tracker: &Tracker, number: u8) -> Self {
        let url = format!("ws://{}/announce", tracker.running.address);
        Self(connect_async(url).await.unwrap().0, text(number))
    }

    async fn say(&mut self, mut message: Value) {
        if message.get("info_hash").is_none() {
            message["info_hash"] = text(WORDS.hash[0]).into();
        }
        if message.get("peer_id").is_none() {
            message["peer_id"] = self.1.clone().into();
        }
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let message = self.0.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_and_answers_are_passed_on() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let (mut a, mut b) = (Browser::connect(&tracker, 0xe1).await, Browser::connect(&tracker, 0xe2).await);
    a.say(json!({ "action": "announce", "event": "started", "left": 9, "offers": [] })).await;
    let answer = a.hear().await;
    assert_eq!((&answer["interval"], &answer["complete"], &answer["incomplete"]), (&json!(300), &json!(0), &json!(1)));
    let offers = json!([{ "offer_id": text(7), "offer": { "type": "offer", "sdp": "v=0" } }]);
    b.say(json!({ "action": "announce", "left": 0, "numwant": 5, "offers": offers })).await;
    assert_eq!(b.hear().await["complete"], 1);
    let offer = a.hear().await;
    assert_eq!((&offer["peer_id"], &offer["offer"]["sdp"]), (&json!(text(0xe2)), &json!("v=0")));
    assert_eq!((&offer["offer_id"], &offer["info_hash"]), (&json!(text(7)), &json!(text(1))));
    let answer =
        json!({ "action": "announce", "to_peer_id": text(0xe2), "offer_id": text(7), "answer": { "sdp": "w=1" } });
    a.say(answer.clone()).await;
    let passed = b.hear().await;
    assert_eq!((&passed["peer_id"], &passed["answer"]["sdp"]), (&json!(text(0xe1)), &json!("w=1")));
    // In the same swarm as others, but not named to them.
    let announced = tracker.peer(3).announce(WORDS);
    assert_eq!((announced.len(), tracker.peer(4).scrape(WORDS.hash)), (20, [1, 0, 2]));
    b.say(json!({ "action": "scrape" })).await;
    assert_eq!(b.hear().await["files"][text(1)], json!({ "complete": 1, "incomplete": 2, "downloaded": 0 }));

    // Another connection may neither take the name nor answer in it.
    let mut thief = Browser::connect(&tracker, 0xe1).await;
    thief.say(answer).await;
    thief.say(json!({ "action": "announce", "left": 9 })).await;
    assert_eq!(thief.hear().await["failure reason"], "peer id in use with another key");
    for bad in [json!({ "action": "announce", "info_hash": "x" }), json!({ "action": "dance" })] {
        thief.say(bad).await;
        assert_eq!(thief.hear().await["failure reason"], "malformed message");
    }
    thief.say(json!({ "action": "announce", "info_hash": text(9), "peer_id": text(5) })).await;
    assert_eq!(thief.hear().await["failure reason"], "unregistered torrent");
    // B has heard nothing of the thief: what it hears next is its own announce.
    b.say(json!({ "action": "announce", "left": 0 })).await;
    assert_eq!(b.hear().await["interval"], 300);

    // A browser that is closed is out.
    a.0.close(None).await.unwrap();
    while a.0.next().await.is_some_and(|message| message.is_ok()) {}
    thief.say(json!({ "action": "announce", "left": 9 })).await;
    let mut answer = thief.hear().await;
    while answer.get("failure reason").is_some() {
        thief.say(json!({ "action": "announce", "left": 9 })).await;
        answer = thief.hear().await;
    }
    assert_eq!(tracker.peer(4).scrape(WORDS.hash), [1, 0, 2]);
    tracker.stop().await;
}
