//! Kafka, for all programs of the workspace: the only crate that links librdkafka.
//!
//! - [`KafkaArgs`]: the flags that say which broker, and how to speak to it, with
//!   [`KafkaSecurity`]: TLS, user and password;
//! - [`admin`]: is a broker there; make, look at and delete topics;
//! - [`producer`]: sending, with every delivery counted;
//! - [`load`]: the loop of a program that makes records up at a rate, on a [`pacer`];
//! - [`source`]: reading, partition by partition, without copies;
//! - [`transactions`]: records and a group's offsets, both or neither;
//! - [`inspect`]: a look into a topic, for tests and tools.
//!
//! There is no SQL here and no domain knowledge. Everything blocks; nothing needs an async runtime.

pub mod admin;
mod client;
mod error;
pub mod inspect;
pub mod load;
mod member;
mod options;
pub mod pacer;
pub mod producer;
mod refusal;
mod security;
pub mod source;
pub mod transactions;

pub use error::Error;
pub use options::{KafkaArgs, KafkaOption, KafkaOptions};
pub use security::KafkaSecurity;
