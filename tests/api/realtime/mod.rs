//! `/ws`.

mod connect;
mod delivery;
mod frames;
mod hostile;
mod limits;
mod presence;
mod pushes;
mod resume;

use crate::support::TestServer;
use crate::support::person::Person;

async fn two(server: &TestServer) -> (Person, Person) {
    (Person::new(server, "ada").await, Person::new(server, "bob").await)
}
