//! The local store, as its callers and its folder see it. S3 differs in [`super::backend`] only.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Instant;

use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::*;

struct Bench {
    storage: Storage,
    thread: Option<StorageThread>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(dir: tempfile::TempDir) -> Self {
        let config = crate::config::load(None).unwrap().config.storage;
        let (storage, thread) = Storage::open(&config, dir.path()).unwrap();
        Self { storage, thread: Some(thread), dir }
    }

    /// Every file in the folder, half-written ones too.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.dir.path().join("uploads"), &mut found);
        found.sort();
        found
    }

    /// The same, once everything that is under way has ended.
    fn files_in_the_end(&mut self) -> Vec<String> {
        self.thread.take().unwrap().stop();
        self.files()
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Bytes {
    (0..length).map(|index| (index / 251 + index) as u8).collect::<Vec<_>>().into()
}

async fn write(upload: &mut Upload, content: &Bytes) -> Result<(), StorageError> {
    for start in (0..content.len()).step_by(50_000) {
        upload.write(content.slice(start..content.len().min(start + 50_000))).await?;
    }
    Ok(())
}

async fn read(storage: &Storage, name: &ObjectName, range: Option<Range<u64>>) -> Vec<u8> {
    let stored = storage.open_object(name, range).await.unwrap();
    let announced = stored.range.end - stored.range.start;
    let read: Vec<u8> = stored.chunks.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    assert_eq!(read.len() as u64, announced);
    read
}

#[tokio::test]
async fn an_upload_exists_from_its_commit_on_and_is_what_was_written() {
    let bench = Bench::new();
    for (object, length) in [("files/large", 1_200_000), ("files/small", 10), ("files/empty", 0)] {
        let content = bytes(length);
        let mut upload = bench.storage.begin(name(object), 2_000_000);
        write(&mut upload, &content).await.unwrap();
        assert!(matches!(bench.storage.size(&name(object)).await, Err(StorageError::NotFound)));
        assert_eq!(upload.commit().await.unwrap(), length as u64);
        assert_eq!(bench.storage.size(&name(object)).await.unwrap(), length as u64);
        assert_eq!(read(&bench.storage, &name(object), None).await, content);
    }
    assert_eq!(bench.files(), ["empty", "large", "small"]);
}

#[tokio::test]
async fn ranges_are_read_alone() {
    let bench = Bench::new();
    let content = bytes(300_000);
    bench.storage.put(&name("a"), content.clone()).await.unwrap();
    for range in [0..1, 0..300_000, 65_535..65_537, 100_000..250_000, 299_999..300_000] {
        let expected = &content[range.start as usize..range.end as usize];
        assert_eq!(read(&bench.storage, &name("a"), Some(range)).await, expected);
    }
    assert_eq!(bench.storage.open_object(&name("a"), Some(1..2)).await.unwrap().size, 300_000);
}

#[tokio::test]
async fn what_is_not_committed_leaves_nothing_behind() {
    for length in [10, 1_000_000] {
        let mut bench = Bench::new();
        let mut discarded = bench.storage.begin(name("files/discarded"), 2_000_000);
        write(&mut discarded, &bytes(length)).await.unwrap();
        discarded.discard().await;
        assert_eq!(bench.files(), [""; 0]);
        let mut dropped = bench.storage.begin(name("files/dropped"), 2_000_000);
        write(&mut dropped, &bytes(length)).await.unwrap();
        drop(dropped);
        assert_eq!(bench.files_in_the_end(), [""; 0]);
    }
}

#[tokio::test]
async fn a_future_dropped_half_way_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let storage = bench.storage.clone();
    let request = async move {
        let mut upload = storage.begin(name("files/gone"), u64::MAX);
        loop {
            upload.write(bytes(100_000)).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(50), request).await.is_err());
    assert_eq!(bench.files_in_the_end(), [""; 0]);
}

#[tokio::test]
async fn a_commit_whose_caller_goes_away_leaves_nothing_behind() {
    for pause_micros in [0, 100, 200, 400, 800] {
        let mut bench = Bench::new();
        let mut upload = bench.storage.begin(name("files/whole"), 2_000_000);
        write(&mut upload, &bytes(600_000)).await.unwrap();
        let commit = tokio::time::timeout(Duration::from_micros(pause_micros), upload.commit());
        let left: &[&str] = if commit.await.is_ok() { &["whole"] } else { &[] };
        assert_eq!(bench.files_in_the_end(), left);
    }
}

#[tokio::test]
async fn too_large_an_upload_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let mut upload = bench.storage.begin(name("files/large"), 999_999);
    let refused = write(&mut upload, &bytes(1_000_000)).await;
    assert!(matches!(refused, Err(StorageError::TooLarge(999_999))), "{refused:?}");
    drop(upload);
    let mut fits = bench.storage.begin(name("files/fits"), 1_000_000);
    write(&mut fits, &bytes(1_000_000)).await.unwrap();
    assert_eq!(fits.commit().await.unwrap(), 1_000_000);
    assert_eq!(bench.files_in_the_end(), ["fits"]);
}

#[tokio::test]
async fn an_upload_that_the_disk_refuses_fails_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let mut upload = bench.storage.begin(name("files/lost"), u64::MAX);
    write(&mut upload, &bytes(600_000)).await.unwrap();
    // Where its end was to go, something lies that no file can replace.
    std::fs::create_dir_all(bench.dir.path().join("uploads/files/lost/inhabited")).unwrap();
    assert!(matches!(upload.commit().await, Err(StorageError::Failed(_))));
    assert_eq!(bench.files_in_the_end(), [""; 0]);
}

#[tokio::test]
async fn concurrent_uploads_do_not_mix() {
    let bench = Bench::new();
    let uploads = (1..=20).map(|number: usize| {
        let storage = bench.storage.clone();
        async move {
            let object = name(&format!("files/{number}"));
            let content = bytes(number * 40_000);
            let mut upload = storage.begin(object.clone(), u64::MAX);
            write(&mut upload, &content).await.unwrap();
            upload.commit().await.unwrap();
            assert_eq!(read(&storage, &object, None).await, content);
        }
    });
    futures_util::future::join_all(uploads).await;
    assert_eq!(bench.files().len(), 20);
}

#[tokio::test]
async fn deleting_may_be_repeated() {
    let bench = Bench::new();
    bench.storage.put(&name("a/b"), bytes(3)).await.unwrap();
    for _ in 0..2 {
        bench.storage.delete(&name("a/b")).await.unwrap();
        assert!(matches!(bench.storage.open_object(&name("a/b"), None).await, Err(StorageError::NotFound)));
    }
}

#[tokio::test]
async fn a_start_removes_what_a_crash_left_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("uploads/files");
    std::fs::create_dir_all(&folder).unwrap();
    for left in ["files/whole", "files/half#1", "half#2"] {
        std::fs::write(dir.path().join("uploads").join(left), "x").unwrap();
    }
    assert_eq!(Bench::on(dir).files(), ["whole"]);
}

#[test]
fn a_worker_of_one_thread_can_use_it() {
    let bench = Bench::new();
    actix::System::new().block_on(async {
        let mut upload = bench.storage.begin(name("files/a"), u64::MAX);
        write(&mut upload, &bytes(600_000)).await.unwrap();
        upload.commit().await.unwrap();
        assert_eq!(read(&bench.storage, &name("files/a"), None).await.len(), 600_000);
    });
}

#[tokio::test]
async fn no_wait_is_longer_than_the_patience() {
    let slow = Duration::from_secs(60);
    let throttle = ThrottleConfig { wait_get_per_call: slow, wait_put_per_call: slow, ..Default::default() };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), throttle));
    let patience = Duration::from_millis(50);
    let (storage, thread) =
        Storage::over(Backend { store, part_bytes: 1000, folder: None }, patience).unwrap();
    let started = Instant::now();
    assert!(matches!(storage.size(&name("a")).await, Err(StorageError::TimedOut | StorageError::NotFound)));
    assert!(matches!(storage.open_object(&name("a"), None).await, Err(StorageError::TimedOut)));
    assert!(matches!(storage.put(&name("a"), bytes(1)).await, Err(StorageError::TimedOut)));
    let mut upload = storage.begin(name("b"), u64::MAX);
    let refused = loop {
        if let Err(error) = upload.write(bytes(1000)).await {
            break error;
        }
    };
    assert!(matches!(refused, StorageError::TimedOut), "{refused:?}");
    assert!(upload.commit().await.is_err());
    thread.stop();
    assert!(matches!(storage.put(&name("a"), bytes(1)).await, Err(StorageError::Stopped)));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
