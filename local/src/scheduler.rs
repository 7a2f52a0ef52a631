//! A stand-in for EventBridge Scheduler. It keeps schedules and says which start is next. The caller delivers it.
//!
//! It models what the user guide and the API reference say:
//! - A name is unique in its group: creating it again is a `ConflictException`, and deleting a missing one a
//!   `ResourceNotFoundException`.
//! - A schedule with `rate(1 minute)` starts its target once a minute, from its `StartDate` until its `EndDate`. With the
//!   action `DELETE`, it then ends itself.
//! - A start comes within 60 seconds of its time, and may come more than once. Callers choose when, and how often.
//!
//! Permissions, quotas and retries of a start are not modelled.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http_server::HttpServer;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Schedule {
    target: Target,
    /// Since 1970.
    next: Duration,
    end: Duration,
}

/// The fields of `CreateSchedule` that are modelled. Any other value of the first three is an error.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    schedule_expression: String,
    action_after_completion: String,
    flexible_time_window: Value,
    group_name: String,
    /// In seconds since 1970.
    start_date: f64,
    end_date: f64,
    target: Target,
}

/// What a schedule starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    pub arn: String,
    pub role_arn: String,
    /// The event, as JSON.
    pub input: String,
}

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct Scheduler {
    schedules: Schedules,
    http: HttpServer,
}

impl Scheduler {
    pub async fn start() -> anyhow::Result<Self> {
        let schedules = Schedules::default();
        let shared = schedules.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let schedules = shared.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                schedules.respond(&Request::from_parts(parts, body))
            }
        });
        Ok(Self {
            schedules,
            http: HttpServer::start(0, None, service).await?,
        })
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.http.url()
    }
}

impl Deref for Scheduler {
    type Target = Schedules;

    fn deref(&self) -> &Schedules {
        &self.schedules
    }
}

/// The schedules, and the responses to requests about them. Clones share the schedules.
#[derive(Clone, Debug, Default)]
pub struct Schedules(Arc<Mutex<BTreeMap<(String, String), Schedule>>>);

impl Schedules {
    /// How many schedules there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// When the next start is due, since 1970.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let schedules = self.0.lock();
        let running = schedules.values().filter(|schedule| schedule.next < schedule.end);
        running.map(|schedule| schedule.next).min()
    }

    /// Takes the start that is due next.
    #[must_use]
    pub fn take_next(&self) -> Option<Target> {
        let mut schedules = self.0.lock();
        schedules.retain(|_, schedule| schedule.next < schedule.end);
        let schedule = schedules.values_mut().min_by_key(|schedule| schedule.next)?;
        schedule.next += MINUTE;
        Some(schedule.target.clone())
    }

    /// Responds to a request of Scheduler's API.
    pub fn respond(&self, request: &Request<Bytes>) -> anyhow::Result<Response<Full<Bytes>>> {
        // /schedules/NAME?groupName=GROUP
        let name = request.uri().path().split('/').nth(2).unwrap_or_default().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        if request.method() == Method::DELETE {
            let group = query.split('&').find_map(|field| field.strip_prefix("groupName="));
            let group = percent_encoding::percent_decode_str(group.unwrap_or("default")).decode_utf8()?;
            let deleted = self.0.lock().remove(&(group.into_owned(), name));
            return match deleted {
                Some(_) => reply(StatusCode::OK, &json!({})),
                None => refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            };
        }
        let Ok(create) = serde_json::from_slice::<Create>(request.body()) else {
            return refuse(StatusCode::BAD_REQUEST, "ValidationException");
        };
        let is_modelled = create.schedule_expression == "rate(1 minute)"
            && create.action_after_completion == "DELETE"
            && create.flexible_time_window == json!({"Mode": "OFF"});
        if !is_modelled || name.len() > 64 {
            return refuse(StatusCode::BAD_REQUEST, "ValidationException");
        }
        let schedule = Schedule {
            target: create.target,
            next: Duration::from_secs_f64(create.start_date),
            end: Duration::from_secs_f64(create.end_date),
        };
        let mut schedules = self.0.lock();
        let key = (create.group_name, name);
        if schedules.contains_key(&key) {
            return refuse(StatusCode::CONFLICT, "ConflictException");
        }
        schedules.insert(key, schedule);
        reply(
            StatusCode::OK,
            &json!({"ScheduleArn": "arn:aws:scheduler:us-east-1:0:schedule/local"}),
        )
    }
}

fn refuse(status: StatusCode, code: &str) -> anyhow::Result<Response<Full<Bytes>>> {
    let mut response = reply(status, &json!({"Message": code}))?;
    response.headers_mut().insert("x-amzn-ErrorType", code.parse()?);
    Ok(response)
}

fn reply(status: StatusCode, body: &Value) -> anyhow::Result<Response<Full<Bytes>>> {
    let response = Response::builder()
        .status(status)
        .header("Content-Type", "application/json");
    Ok(response.body(Full::from(body.to_string()))?)
}
