use std::sync::Arc;

use aws_config::SdkConfig;
use local::s3::Responder;

use crate::history::History;
use crate::lambda::Lambda;
use crate::network::{Network, Services};
use crate::observer::Observer;
use crate::scenario::Scenario;
use crate::services::s3::S3;
use crate::services::scheduler::Scheduler;
use crate::world::World;

/// A run: the world and all parties in it.
pub struct Simulation {
    pub world: Arc<World>,
    pub s3: Arc<S3>,
    pub lambda: Arc<Lambda>,
    pub scheduler: Arc<Scheduler>,
    pub observer: Arc<Observer>,
    pub history: History,
    /// The functions refer to it only weakly, so that nothing is left when the run is over.
    _network: Arc<Network>,
}

impl Simulation {
    pub fn new(scenario: Scenario, sdk: SdkConfig) -> Arc<Self> {
        let world = World::new(scenario);
        let s3 = Responder::new(world.clock.clone());
        let observer = Arc::new(Observer::new(&world, &s3.store));
        let s3 = Arc::new(S3::new(&world, &observer, s3));
        let scheduler = Arc::new(Scheduler::new(&world));
        let network = Network::new(&world);
        let lambda = Arc::new(Lambda::new(&world, &observer, &network, sdk));
        network.connect(Services {
            s3: s3.clone(),
            lambda: lambda.clone(),
            scheduler: scheduler.clone(),
        });
        Arc::new(Self {
            world,
            s3,
            lambda,
            scheduler,
            observer,
            history: History::default(),
            _network: network,
        })
    }
}
