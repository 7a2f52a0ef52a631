use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use local::s3::{Chances, Effect, Fault, S3ErrorCode, Server, Suffered};
use tokio::time::timeout;

use super::{code, start};

/// Much more than the server takes to answer.
const PATIENCE: Duration = Duration::from_millis(400);

/// A client that asks once only.
async fn once(server: &Server) -> Client {
    let config = aws_sdk_s3::config::Builder::from(&server.sdk().await);
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

/// One request of a kind is to fail.
fn fail(server: &Server, operation: &'static str, effect: Effect) {
    server.faults.add(Fault {
        operation,
        key_contains: String::new(),
        effect,
        after: 0,
        times: 1,
    });
}

async fn put(client: &Client, key: &str, body: Vec<u8>) -> bool {
    let put = client.put_object().bucket("photos").key(key);
    put.body(ByteStream::from(body)).send().await.is_ok()
}

#[tokio::test]
async fn a_body_ends_or_stops_half_way() {
    let (server, _) = start().await;
    let client = once(&server).await;
    for len in [10, 3_000_000] {
        assert!(put(&client, "a", vec![7; len]).await);
        let get = || client.get_object().bucket("photos").key("a").range("bytes=0-").send();
        for effect in [Effect::Cut, Effect::Stall] {
            fail(&server, "GetObject", effect.clone());
            let answer = get().await.unwrap();
            assert_eq!(answer.content_length(), Some(i64::try_from(len).unwrap()));
            let mut body = answer.body;
            let mut read = 0;
            let end = loop {
                match timeout(PATIENCE, body.next()).await {
                    Ok(Some(Ok(piece))) => read += piece.len(),
                    end => break end,
                }
            };
            let broke = end.is_ok_and(|end| end.unwrap().is_err());
            assert_eq!(broke, matches!(effect, Effect::Cut), "{effect:?}");
            assert_eq!(read, len / 2, "{effect:?}");
        }
        assert_eq!(get().await.unwrap().body.collect().await.unwrap().to_vec().len(), len);
    }
    assert!(put(&client, "a", Vec::new()).await);
    fail(&server, "GetObject", Effect::Cut);
    let empty = client.get_object().bucket("photos").key("a").send();
    assert!(empty.await.is_err(), "an empty body has no half: the answer is lost");
}

#[tokio::test]
async fn a_range_may_be_ignored() {
    let (server, client) = start().await;
    put(&client, "a", b"0123456789".to_vec()).await;
    fail(&server, "GetObject", Effect::WholeBody);
    let get = || client.get_object().bucket("photos").key("a").range("bytes=2-4").send();
    let whole = get().await.unwrap();
    assert_eq!((whole.content_range(), whole.content_length()), (None, Some(10)));
    assert_eq!(whole.body.collect().await.unwrap().into_bytes(), "0123456789");
    assert_eq!(get().await.unwrap().content_length(), Some(3));
}

#[tokio::test]
async fn what_lost_its_answer_took_effect() {
    let (server, _) = start().await;
    let client = once(&server).await;
    for (key, effect) in [("cut", Effect::Cut), ("stall", Effect::Stall)] {
        fail(&server, "PutObject", effect.clone());
        let answer = timeout(PATIENCE, put(&client, key, b"x".to_vec())).await;
        assert_ne!(answer, Ok(true));
        assert_eq!(answer.is_ok(), key == "cut");
        assert_eq!(server.store.get("photos", key).unwrap().body, "x");

        fail(&server, "DeleteObject", effect);
        let delete = client.delete_object().bucket("photos").key(key).send();
        assert!(!timeout(PATIENCE, delete).await.is_ok_and(|answer| answer.is_ok()));
        assert!(server.store.get("photos", key).is_none());
    }
    fail(&server, "PutObject", Effect::Drop);
    assert!(!put(&client, "never", b"x".to_vec()).await);
    assert!(server.store.get("photos", "never").is_none());
    let expected = Suffered {
        reset: 1,
        stall: 2,
        cut: 2,
        ..Suffered::default()
    };
    assert_eq!(server.faults.suffered(), expected);
}

#[tokio::test]
async fn errors_come_with_their_status() {
    let (server, _) = start().await;
    let client = once(&server).await;
    for (error, name, status) in [
        (S3ErrorCode::SlowDown, "SlowDown", 503),
        (S3ErrorCode::InternalError, "InternalError", 500),
    ] {
        fail(&server, "GetObject", Effect::Error(error));
        let answer = client.get_object().bucket("photos").key("a").send().await.unwrap_err();
        assert_eq!(answer.raw_response().unwrap().status().as_u16(), status);
        assert_eq!(code(Err::<(), _>(answer)), name);
    }
}

/// What so many requests suffer, as letters: reads and writes in turn.
async fn suffer(chances: Chances, requests: usize) -> (String, Suffered) {
    let (server, _) = start().await;
    let client = once(&server).await;
    assert!(put(&client, "a", b"0123456789".to_vec()).await);
    server.faults.set_chances(Some(chances));
    let mut seen = String::new();
    let mut before = Suffered::default();
    for number in 0..requests {
        if number % 2 == 0 {
            // The head alone: a stalled body need not be waited for.
            let _ = client.get_object().bucket("photos").key("a").send().await;
        } else {
            put(&client, "b", b"x".to_vec()).await;
        }
        let now = server.faults.suffered();
        seen.push(match () {
            () if now.slow_down > before.slow_down => 's',
            () if now.internal_error > before.internal_error => 'i',
            () if now.reset > before.reset => 'r',
            () if now.stall > before.stall => 't',
            () if now.cut > before.cut => 'c',
            () => '-',
        });
        before = now;
    }
    server.faults.clear();
    assert!(put(&client, "b", b"x".to_vec()).await, "all pass again");
    (seen, before)
}

#[tokio::test]
async fn chances_come_in_their_share_and_the_same_from_the_same_seed() {
    let chances = Chances {
        seed: 7,
        slow_down: 10.0,
        internal_error: 5.0,
        reset: 5.0,
        stall: 10.0,
        cut: 10.0,
    };
    let (seen, suffered) = suffer(chances, 600).await;
    for (count, expected) in [
        (suffered.slow_down, 60),
        (suffered.internal_error, 30),
        (suffered.reset, 30),
        // Reads only.
        (suffered.stall, 30),
        (suffered.cut, 60),
    ] {
        assert!(count.abs_diff(expected) < 20, "{count} of {expected}: {suffered:?}");
    }
    let writes: String = seen.chars().skip(1).step_by(2).collect();
    assert!(!writes.contains('t'), "{writes}");

    assert_eq!(suffer(chances, 60).await.0, seen[..60]);
    let other = Chances { seed: 8, ..chances };
    assert_ne!(suffer(other, 60).await.0, seen[..60]);
}
