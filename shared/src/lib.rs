//! What both functions share: the S3 and EXIF logic and the types they speak to each other in.
//!
//! | module | what it holds |
//! |---|---|
//! | [`uri`] | `s3://bucket/prefix`, checked where it enters |
//! | [`key`] | object keys: decoding, copy sources, what is relative to a prefix |
//! | [`destination`] | the layout of the destination, and the guard against loops |
//! | [`filter`] | which objects are images worth sending |
//! | [`settings`] | values from environment variables, each error naming its variable |
//! | [`modes`] | what is written: `images` and `records` |
//! | [`chunk`] | request and response of one processor invocation |
//! | [`job`] | the state of a job: fanout's response and `job.json` |
//! | [`clock`] | the time that deadlines and leases are judged by |
//! | [`deadline`] | until when an invocation may work |
//! | [`failure`] | why an object failed, and the one place where S3 errors are classed |
//! | [`bound`] | what bounds a job or an invocation, and what would make it faster |
//! | [`prices`] | what AWS charges |
//! | [`stages`] | mergeable latency histograms |
//! | [`s3`] | clients, counted requests, reading, copying and writing objects |
//! | [`exif`] | bytes of an image to its metadata, without any I/O |
//! | [`record`] | the metadata of one image as one line of JSON |
//! | [`summary`] | the few EXIF fields that a processed image carries as user metadata |

pub mod bound;
pub mod chunk;
pub mod clock;
pub mod deadline;
pub mod destination;
pub mod exif;
pub mod failure;
pub mod filter;
pub mod job;
pub mod key;
pub mod modes;
pub mod prices;
pub mod record;
pub mod s3;
pub mod settings;
pub mod stages;
pub mod summary;
pub mod uri;
