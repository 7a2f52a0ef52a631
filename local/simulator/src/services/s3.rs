//! S3: the local server, without sockets.

use std::sync::Arc;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{Request, Response};
use local::s3::{Chances, Fault, Part, Responder, Store};

use crate::environment::Environment;
use crate::network::{Lost, Serve, Served};
use crate::observer::Observer;
use crate::places::SOURCE_PREFIX;
use crate::request::Named;
use crate::world::World;

pub struct S3 {
    world: Arc<World>,
    observer: Arc<Observer>,
    responder: Responder,
}

impl S3 {
    pub fn new(world: &Arc<World>, observer: &Arc<Observer>, responder: Responder) -> Self {
        let s3 = Self {
            world: world.clone(),
            observer: observer.clone(),
            responder,
        };
        s3.set_lasting();
        s3
    }

    pub fn store(&self) -> &Store {
        &self.responder.store
    }

    pub fn add_fault(&self, fault: Fault) {
        self.responder.faults.add(fault);
    }

    /// Sets the random faults to those of this moment.
    pub fn set_chances(&self) {
        let mut chances = Chances {
            seed: self.world.random(0..u64::MAX),
            ..Chances::default()
        };
        self.world.troubles().for_each(|trouble| trouble.add_to(&mut chances));
        self.responder
            .faults
            .set_chances((chances.total() > 0.0).then_some(chances));
    }

    /// Ends all faults.
    pub fn calm_down(&self) {
        self.responder.faults.clear();
        self.set_lasting();
    }

    /// Sets what it is like as long as the run lasts.
    fn set_lasting(&self) {
        let (settings, faults) = (&self.world.scenario.settings, &self.responder.faults);
        faults.set_latency(settings.latency);
        for key in &self.world.scenario.denied {
            faults.deny("GetObject", &format!("{SOURCE_PREFIX}{key}"));
        }
        if settings.ignores_conditions {
            faults.ignore(Part::Conditions);
        }
    }
}

impl Serve for S3 {
    fn serve(self: Arc<Self>, sender: Arc<Environment>, request: Request<Bytes>) -> Served {
        Box::pin(async move {
            let named = Named::of(&request);
            self.observer.request(&named, request.body(), &sender);
            let responded = self.responder.respond(request.map(s3s::Body::from)).await;
            let status = match &responded {
                Ok(response) => response.status().as_u16().to_string(),
                Err(_) => "broken".to_owned(),
            };
            self.world.note(format!(
                "{sender} → {} {}/{:.80}: {status}",
                named.operation, named.bucket, named.key
            ));
            self.observer.look();
            let (parts, body) = responded.map_err(|_| Lost::Broken)?.into_parts();
            let body = match body.bytes() {
                Some(bytes) => SdkBody::from(bytes),
                None => streamed(body),
            };
            Ok(Response::from_parts(parts, body))
        })
    }
}

/// A body that may stop half-way, or never end. The SDK wants one that can be shared between threads.
fn streamed(mut body: s3s::Body) -> SdkBody {
    let (mut sender, receiver) = mpsc::channel(0);
    tokio::spawn(async move {
        while let Some(piece) = body.next().await {
            // The reader may have gone.
            if sender.send(piece.map(Frame::data)).await.is_err() {
                return;
            }
        }
    });
    SdkBody::from_body_1_x(StreamBody::new(receiver))
}
