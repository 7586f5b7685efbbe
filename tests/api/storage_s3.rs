//! The store on S3. What it promises is tested on the local folder, in `src/storage`; here is what differs.

use std::time::{Duration, Instant};

use ayrene::config::StoragePlace;
use ayrene::storage::{ObjectName, Storage, StorageError, StorageThread, Upload};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::support::s3::S3;

/// Two parts, and a bit.
const LARGE: usize = (11 << 20) + 7;

fn open(endpoint: &str) -> (Storage, StorageThread) {
    let mut config = ayrene::config::load(None).unwrap().config.storage;
    config.url = StoragePlace::S3 { bucket: "uploads".to_owned(), prefix: "some/prefix".to_owned() };
    config.s3_endpoint = endpoint.to_owned();
    config.s3_allow_http = true;
    config.s3_access_key_id = "id".to_owned();
    config.s3_secret_access_key = "secret".into();
    config.timeout_secs = 2;
    Storage::open(&config, std::path::Path::new("/nonexistent")).unwrap()
}

fn content(length: usize) -> Bytes {
    (0..length).map(|index| (index / 251 + index) as u8).collect::<Vec<_>>().into()
}

async fn begun(storage: &Storage, name: &ObjectName, length: usize) -> Upload {
    let (mut upload, content) = (storage.begin(name.clone(), u64::MAX), content(length));
    for start in (0..length).step_by(64 << 10) {
        upload.write(content.slice(start..length.min(start + (64 << 10)))).await.unwrap();
    }
    upload
}

#[tokio::test]
async fn objects_small_and_large_come_back_whole_and_in_part() {
    let s3 = S3::start();
    let (storage, thread) = open(&s3.endpoint());
    for length in [0, 10, LARGE] {
        let name = ObjectName::unguessable("files", "bin");
        let upload = begun(&storage, &name, length).await;
        assert!(matches!(storage.size(&name).await, Err(StorageError::NotFound)));
        assert_eq!(upload.commit().await.unwrap(), length as u64);
        assert_eq!(storage.size(&name).await.unwrap(), length as u64);
        let whole = storage.open_object(&name, None).await.unwrap();
        let read: Vec<u8> = whole.chunks.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
        assert!(read == content(length), "{length}");
        if length > 0 {
            let part = storage.open_object(&name, Some(3..length as u64 - 2)).await.unwrap();
            assert_eq!(part.size, length as u64);
            let read: Vec<u8> = part.chunks.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
            assert!(read == content(length)[3..length - 2], "{length}");
        }
        for _ in 0..2 {
            storage.delete(&name).await.unwrap();
        }
        assert!(matches!(storage.open_object(&name, None).await, Err(StorageError::NotFound)));
    }
    storage.put(&ObjectName::parse("files/kept").unwrap(), content(3)).await.unwrap();
    thread.stop();
    if std::env::var_os("S3_ENDPOINT").is_none() {
        let contents = s3.contents.lock().unwrap();
        assert_eq!(contents.objects.keys().collect::<Vec<_>>(), ["uploads/some/prefix/files/kept"]);
        assert!(contents.unfinished.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_committed_is_aborted() {
    let s3 = S3::start();
    let (storage, thread) = open(&format!("http://{}", s3.address));
    let name = ObjectName::parse("files/never").unwrap();
    let discarded = begun(&storage, &name, LARGE).await;
    assert_eq!(s3.contents.lock().unwrap().unfinished.len(), 1);
    discarded.discard().await;
    assert!(s3.contents.lock().unwrap().unfinished.is_empty());
    drop(begun(&storage, &name, LARGE).await);
    thread.stop();
    let contents = s3.contents.lock().unwrap();
    assert!(contents.unfinished.is_empty() && contents.objects.is_empty());
}

#[tokio::test]
async fn an_upload_that_cannot_be_completed_fails_and_is_aborted() {
    let s3 = S3::start();
    let (storage, _thread) = open(&format!("http://{}", s3.address));
    s3.contents.lock().unwrap().refuse_completion = true;
    let upload = begun(&storage, &ObjectName::parse("files/never").unwrap(), LARGE).await;
    assert!(matches!(upload.commit().await, Err(StorageError::Failed(_))));
    let contents = s3.contents.lock().unwrap();
    assert!(contents.unfinished.is_empty() && contents.objects.is_empty());
}

#[tokio::test]
async fn a_store_that_is_away_or_silent_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let (storage, _thread) = open(&format!("http://{address}"));
        let started = Instant::now();
        let name = ObjectName::parse("files/never").unwrap();
        let refused = storage.put(&name, content(3)).await;
        assert!(matches!(refused, Err(StorageError::TimedOut | StorageError::Failed(_))), "{refused:?}");
        assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    }
}
