//! Shared actor plumbing; knows no domain. See [`ask`].

pub mod ask;
mod priority;

pub use ask::{Ask, AskError, Gate, Mailbox};
pub use priority::{answer_promptly, stand_back};

/// Lets `$actor` answer each message with the method of its `$field`, an `Rc`, in a future of its own: what must be
/// atomic is a script, so messages need not wait for each other.
#[macro_export]
macro_rules! delegate {
    ($actor:ty, $field:ident { $($message:ty => $method:ident),+ $(,)? }) => {
        $(impl ::actix::Handler<$message> for $actor {
            type Result = ::actix::ResponseFuture<<$message as ::actix::Message>::Result>;

            fn handle(&mut self, message: $message, _: &mut Self::Context) -> Self::Result {
                let inner = self.$field.clone();
                Box::pin(async move { inner.$method(message).await })
            }
        })+
    };
}
