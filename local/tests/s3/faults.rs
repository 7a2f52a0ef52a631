use std::pin::pin;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use local::s3::{Chances, Effect, Fault, InjectedFaults, S3ErrorCode, Server};
use tokio::time::{sleep, timeout};

use super::{code, start};

/// How long the tests watch that nothing arrives. A slow machine cannot make them fail.
const WATCHED: Duration = Duration::from_millis(100);

/// A client that does not retry.
async fn once(server: &Server) -> Client {
    let config = aws_sdk_s3::config::Builder::from(&server.sdk().await);
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

/// Lets the next request of an operation fail.
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
async fn a_body_can_be_cut_or_stall_half_way() {
    let (server, _) = start().await;
    let client = once(&server).await;
    for len in [10, 3_000_000] {
        assert!(put(&client, "a", vec![7; len]).await);
        let get = || client.get_object().bucket("photos").key("a").range("bytes=0-").send();
        for effect in [Effect::Cut, Effect::Stall] {
            fail(&server, "GetObject", effect.clone());
            let response = get().await.unwrap();
            assert_eq!(response.content_length(), Some(i64::try_from(len).unwrap()));
            let mut body = response.body;
            let mut read = 0;
            while read < len / 2 {
                read += body.next().await.unwrap().unwrap().len();
            }
            assert_eq!(read, len / 2, "{effect:?}");
            match effect {
                Effect::Cut => assert!(body.next().await.unwrap().is_err()),
                _ => assert!(
                    timeout(WATCHED, body.next()).await.is_err(),
                    "a stalled body must not continue"
                ),
            }
        }
        assert_eq!(get().await.unwrap().body.collect().await.unwrap().to_vec().len(), len);
    }
    assert!(put(&client, "a", Vec::new()).await);
    fail(&server, "GetObject", Effect::Cut);
    let empty = client.get_object().bucket("photos").key("a").send();
    assert!(
        empty.await.is_err(),
        "an empty body cannot be cut, so the whole response is lost"
    );
}

#[tokio::test]
async fn a_range_can_be_ignored() {
    let (server, client) = start().await;
    put(&client, "a", b"0123456789".to_vec()).await;
    fail(&server, "GetObject", Effect::WholeBody);
    let get = || client.get_object().bucket("photos").key("a").range("bytes=2-4").send();
    let whole = get().await.unwrap();
    assert_eq!((whole.content_range(), whole.content_length()), (None, Some(10)));
    assert_eq!(whole.body.collect().await.unwrap().into_bytes(), "0123456789");
    assert_eq!(get().await.unwrap().content_length(), Some(3));
}

/// Waits until a request took effect, and checks that it gets no response.
async fn until_lost(request: impl Future, took_effect: impl Fn() -> bool) {
    let mut request = pin!(request);
    let seen = async {
        while !took_effect() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = &mut request => panic!("the request got a response"),
        () = seen => {}
    }
    assert!(timeout(WATCHED, request).await.is_err(), "the request got a response");
}

#[tokio::test]
async fn a_request_whose_response_is_lost_takes_effect() {
    let (server, _) = start().await;
    let client = once(&server).await;
    let store = &server.store;
    let delete = |key: &'static str| client.delete_object().bucket("photos").key(key).send();

    fail(&server, "PutObject", Effect::Cut);
    assert!(!put(&client, "a", b"x".to_vec()).await);
    assert_eq!(store.get("photos", "a").unwrap().body, "x");
    fail(&server, "DeleteObject", Effect::Cut);
    assert!(delete("a").await.is_err());
    assert!(store.get("photos", "a").is_none());

    fail(&server, "PutObject", Effect::Stall);
    let stalled = put(&client, "a", b"x".to_vec());
    until_lost(stalled, || {
        store.get("photos", "a").is_some_and(|object| object.body == "x")
    })
    .await;
    fail(&server, "DeleteObject", Effect::Stall);
    until_lost(delete("a"), || store.get("photos", "a").is_none()).await;

    fail(&server, "PutObject", Effect::Drop);
    assert!(!put(&client, "never", b"x".to_vec()).await);
    assert!(server.store.get("photos", "never").is_none());
    let expected = InjectedFaults {
        reset: 1,
        stall: 2,
        cut: 2,
        ..InjectedFaults::default()
    };
    assert_eq!(server.faults.injected(), expected);
}

#[tokio::test]
async fn errors_have_the_right_status() {
    let (server, _) = start().await;
    let client = once(&server).await;
    for (error, name, status) in [
        (S3ErrorCode::SlowDown, "SlowDown", 503),
        (S3ErrorCode::InternalError, "InternalError", 500),
    ] {
        fail(&server, "GetObject", Effect::Error(error));
        let failed = client.get_object().bucket("photos").key("a").send().await.unwrap_err();
        assert_eq!(failed.raw_response().unwrap().status().as_u16(), status);
        assert_eq!(code(Err::<(), _>(failed)), name);
    }
}

/// Sends reads and writes in turn, with random faults. Returns one letter for the fault of each request, and the
/// counts of the faults.
async fn inject(chances: Chances, requests: usize) -> (String, InjectedFaults) {
    let (server, _) = start().await;
    let client = once(&server).await;
    assert!(put(&client, "a", b"0123456789".to_vec()).await);
    server.faults.set_chances(Some(chances));
    let mut seen = String::new();
    let mut before = InjectedFaults::default();
    for number in 0..requests {
        if number % 2 == 0 {
            // Reads only the head of the response, because a stalled body would never end.
            let _ = client.get_object().bucket("photos").key("a").send().await;
        } else {
            put(&client, "b", b"x".to_vec()).await;
        }
        let now = server.faults.injected();
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
    assert!(
        put(&client, "b", b"x".to_vec()).await,
        "requests must succeed after `clear`"
    );
    (seen, before)
}

#[tokio::test]
async fn random_faults_match_their_percentages_and_depend_only_on_the_seed() {
    let chances = Chances {
        seed: 7,
        slow_down: 10.0,
        internal_error: 5.0,
        reset: 5.0,
        stall: 10.0,
        cut: 10.0,
        ..Chances::default()
    };
    let (seen, injected) = inject(chances, 600).await;
    for (count, expected) in [
        (injected.slow_down, 60),
        (injected.internal_error, 30),
        (injected.reset, 30),
        // Only reads can stall, and they are half of the requests.
        (injected.stall, 30),
        (injected.cut, 60),
    ] {
        assert!(count.abs_diff(expected) < 20, "{count} of {expected}: {injected:?}");
    }
    let writes: String = seen.chars().skip(1).step_by(2).collect();
    assert!(!writes.contains('t'), "{writes}");

    assert_eq!(inject(chances, 60).await.0, seen[..60]);
    let other = Chances { seed: 8, ..chances };
    assert_ne!(inject(other, 60).await.0, seen[..60]);
}
