//! `multipart/form-data` by hand, so that tests can get it wrong.

const BOUNDARY: &str = "----no-part-contains-this";

/// A form that is being written.
#[derive(Default, Clone)]
pub struct Form {
    body: Vec<u8>,
}

impl Form {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(self, name: &str, text: &str) -> Self {
        self.part(&format!("Content-Disposition: form-data; name=\"{name}\""), text.as_bytes())
    }

    pub fn file(self, name: &str, file_name: &str, content: &[u8]) -> Self {
        let disposition =
            format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"");
        self.part(&format!("{disposition}\r\nContent-Type: application/octet-stream"), content)
    }

    /// A part with these header lines.
    pub fn part(mut self, head: &str, content: &[u8]) -> Self {
        self.body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        self.body.extend(content);
        self.body.extend(b"\r\n");
        self
    }

    pub fn content_type() -> String {
        format!("multipart/form-data; boundary=\"{BOUNDARY}\"")
    }

    /// The body, with its end.
    pub fn body(mut self) -> Vec<u8> {
        self.body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body
    }
}
