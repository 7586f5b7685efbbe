//! That the search for secrets, which ends every test with a server, finds one.

use crate::support::TestServer;

const MAIL: &str = "To: ada@example.com\nSubject: x\n\nhttp://127.0.0.1/x?tokenId=1&token=";

#[test]
#[should_panic(expected = "Log has a-token-of-this-test in it")]
fn a_token_of_a_mail_in_the_log_is_found() {
    let server = TestServer::start();
    std::fs::write(server.data().join("mail/x.eml"), format!("{MAIL}a-token-of-this-test\n")).unwrap();
    tracing::info!("something with a-token-of-this-test in it");
}

#[test]
#[should_panic(expected = "Answer has 271828 in it")]
fn a_code_of_an_sms_in_an_answer_is_found() {
    let server = TestServer::start();
    std::fs::write(server.data().join("sms/x.txt"), "To: +1\n\n271828 is your code.\n").unwrap();
    crate::support::leaks::note(crate::support::leaks::Place::Answer, "{\"code\":\"271828\"}");
}
