//! Throttles of Lambda, and the limit on requests.

use std::time::Duration;

use local::lambda::Reply;
use serde_json::json;

use crate::cloud::{Cloud, Processor};

#[tokio::test]
async fn throttles_reduce_the_invocations_in_flight() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    let in_flight = Arc::new(AtomicUsize::new(0));
    let cloud = Cloud::with(move |_, processor: Processor| {
        let now = in_flight.clone();
        async move {
            let running = now.fetch_add(1, SeqCst) + 1;
            // Lambda runs four at the same time, and throttles the others.
            let reply = if running > 4 {
                Reply::Rejected(429, "TooManyRequestsException")
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                processor.run().await
            };
            now.fetch_sub(1, SeqCst);
            reply
        }
    })
    .await;
    cloud.put_many(1_000);
    let report = cloud.run(json!({"chunk_keys": 10, "parallel": 16})).await.unwrap();
    assert_eq!((report.ok, report.failed), (1_000, 0), "{report:?}");
    // With 16 in flight all the time, three of four would be throttled: about 300 times.
    assert!(report.throttled < 150, "{report:?}");
    cloud.check_all(&report);
}

#[tokio::test]
async fn the_limit_on_requests_is_shared_and_never_exceeded() {
    use std::sync::{Arc, Mutex};

    // The sum of the shares in flight, its maximum, and all shares.
    let shares: Arc<Mutex<(f64, f64, Vec<f64>)>> = Arc::default();
    let seen = shares.clone();
    let cloud = Cloud::with(move |number, processor: Processor| {
        let seen = seen.clone();
        async move {
            let share = processor.payload["max_requests_per_second"].as_f64().unwrap();
            {
                let (now, max, all) = &mut *seen.lock().unwrap();
                *now += share;
                *max = max.max(*now);
                all.push(share);
            }
            let reply = if processor.holds("00299.jpg") && number <= 30 {
                // The last chunk fails after all others are done. So it is alone when it is sent again.
                let is_alone = || {
                    let (now, _, all) = &*seen.lock().unwrap();
                    all.len() == 30 && *now <= share + 0.1
                };
                while !is_alone() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Reply::FunctionError(json!({"errorType": "Runtime.ExitError"}))
            } else {
                processor.run().await
            };
            seen.lock().unwrap().0 -= share;
            reply
        }
    })
    .await;
    cloud.put_many(300);
    let fields = json!({"chunk_keys": 10, "parallel": 4, "max_requests_per_second": 2000});
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.invocations), (300, 31), "{report:?}");
    let (_, max, all) = &*shares.lock().unwrap();
    assert!(*max <= 2000.1, "{max}");
    assert!(all.iter().all(|share| *share >= 499.9), "{all:?}");
    // The last attempt need not leave slots for others.
    assert!(*all.last().unwrap() > 1999.9, "{all:?}");
}
