//! Owns the tests of the simulator: what it must keep, what it must be able to lose, and that it
//! catches protocols known to be wrong.

use super::*;
use crate::disk::Disk;

fn at(name: &str) -> PathBuf {
    Path::new("s").join(name)
}

fn disk() -> SimDisk {
    let disk = SimDisk::empty();
    Disk::create_dir(&disk, Path::new("s")).unwrap();
    let shared: &dyn Disk = &disk;
    shared.sync_dir(Path::new("")).unwrap();
    disk
}

/// Returns the content under a name in each image.
fn found(disk: &SimDisk, name: &str) -> Vec<Option<Vec<u8>>> {
    let images = disk.files().images(1, 200);
    images.iter().map(|i| i.files.read(&at(name)).ok().map(|c| c.to_vec())).collect()
}

#[test]
fn what_was_synced_with_its_name_is_in_every_image() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let mut file = shared.create(&at("a")).unwrap();
    file.append(b"one").unwrap();
    file.sync().unwrap();
    shared.sync_dir(Path::new("s")).unwrap();
    file.append(&[7; 3000]).unwrap();
    for content in found(&disk, "a") {
        assert!(content.unwrap().starts_with(b"one"));
    }
}

#[test]
fn a_name_without_a_directory_sync_can_be_lost_though_its_file_was_synced() {
    let disk = disk();
    let mut file = disk.create(&at("a")).unwrap();
    file.append(b"one").unwrap();
    file.sync().unwrap();
    let found = found(&disk, "a");
    assert!(found.contains(&None) && found.contains(&Some(b"one".to_vec())));
    // And in the other order: the name is there, but the bytes are not.
    let disk = self::disk();
    let shared: &dyn Disk = &disk;
    shared.create(&at("a")).unwrap().append(b"one").unwrap();
    shared.sync_dir(Path::new("s")).unwrap();
    let found = self::found(&disk, "a");
    for content in [b"".to_vec(), b"one".to_vec(), vec![0; 3]] {
        assert!(found.contains(&Some(content)));
    }
}

#[test]
fn later_writes_can_survive_earlier_ones_that_do_not() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let mut file = shared.create(&at("a")).unwrap();
    shared.sync_dir(Path::new("s")).unwrap();
    file.append(&[1; 512]).unwrap();
    file.append(&[2; 512]).unwrap();
    let mut holed = vec![0; 512];
    holed.extend([2; 512]);
    let found = found(&disk, "a");
    assert!(found.contains(&Some(holed)));
    let torn = |c: &Option<Vec<u8>>| c.as_ref().is_some_and(|c| c.len() % 512 != 0);
    assert!(found.iter().any(torn));
}

#[test]
fn a_rename_is_atomic_and_may_be_lost_or_come_before_other_names() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let mut file = shared.create(&at("a.tmp")).unwrap();
    file.append(b"one").unwrap();
    file.sync().unwrap();
    shared.create(&at("b")).unwrap();
    shared.rename(&at("a.tmp"), &at("a")).unwrap();
    let both: Vec<[bool; 3]> = disk
        .files()
        .images(1, 200)
        .iter()
        .map(|i| ["a", "a.tmp", "b"].map(|name| i.files.read(&at(name)).is_ok()))
        .collect();
    assert!(both.iter().all(|[a, tmp, _]| !(*a && *tmp)));
    assert!(both.contains(&[true, false, false]) && both.contains(&[false, true, false]));
}

#[test]
fn a_directory_without_a_durable_name_can_be_lost_with_all_its_files() {
    let disk = SimDisk::empty();
    Disk::create_dir(&disk, Path::new("s")).unwrap();
    let shared: &dyn Disk = &disk;
    let mut file = shared.create(&at("a")).unwrap();
    file.sync().unwrap();
    shared.sync_dir(Path::new("s")).unwrap();
    assert!(found(&disk, "a").contains(&None));
    shared.sync_dir(Path::new("")).unwrap();
    assert!(!found(&disk, "a").contains(&None));
}

#[test]
fn a_sync_after_a_failed_one_succeeds_and_proves_nothing() {
    for (model, cached, through) in [
        (SyncModel::Kept, true, false),
        (SyncModel::Dropped, false, false),
        (SyncModel::Written, true, true),
    ] {
        let disk = disk();
        let shared: &dyn Disk = &disk;
        let mut file = shared.create(&at("a")).unwrap();
        shared.sync_dir(Path::new("s")).unwrap();
        file.append(b"one").unwrap();
        disk.fail(Fault {
            skip: 0,
            only: Some(OpKind::Sync),
            failure: Failure::Io,
            forever: false,
            model,
        });
        assert!(file.sync().is_err() && disk.fired());
        file.append(b"two").unwrap();
        file.sync().unwrap();
        let seen = disk.files().read(&at("a")).unwrap().to_vec();
        assert_eq!(seen == b"onetwo", cached, "{model:?}");
        let left = found(&disk, "a");
        assert_eq!(left.iter().all(|c| c.as_deref() == Some(b"onetwo")), through, "{model:?}");
    }
}

#[test]
fn failures_come_when_planned_once_or_for_ever_and_leave_what_they_say() {
    for (failure, len) in [(Failure::Io, 0), (Failure::Half, 2), (Failure::Full, 2)] {
        for forever in [false, true] {
            let disk = disk();
            let mut file = disk.create(&at("a")).unwrap();
            let model = SyncModel::Kept;
            disk.fail(Fault { skip: 1, only: Some(OpKind::Append), failure, forever, model });
            file.append(b"1234").unwrap();
            assert!(file.append(b"5678").is_err());
            assert_eq!(disk.files().read(&at("a")).unwrap().len(), 4 + len);
            assert_eq!(file.append(b"9").is_err(), forever);
        }
    }
}

#[test]
fn a_full_disk_takes_what_fits_and_has_room_again_after_a_removal() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let mut old = shared.create(&at("old")).unwrap();
    old.append(&[1; 60]).unwrap();
    disk.set_quota(Some(100));
    let mut file = shared.create(&at("a")).unwrap();
    assert!(matches!(file.append(&[2; 60]), Err(Error::DiskFull { .. })));
    assert_eq!(disk.files().read(&at("a")).unwrap().len(), 40);
    shared.remove(&at("old")).unwrap();
    file.append(&[2; 60]).unwrap();
}

#[test]
fn a_call_that_is_left_out_reports_success_and_does_nothing() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let remove = |name| shared.remove(&at(name));
    for name in ["a", "b"] {
        shared.create(&at(name)).unwrap();
    }
    remove("a").unwrap();
    let line = line!() - 5; // of `shared.remove`
    leaving_out(Some((file!(), line)), || remove("b").unwrap());
    assert_eq!(disk.files().names(Path::new("s")).unwrap(), ["b"]);
}

/// Tries ways to replace a file's content that are known to be wrong, and the right one.
#[test]
fn protocols_known_to_be_wrong_lose_data_and_the_right_one_does_not() {
    let orders: [(&[&str], bool); 5] = [
        (&["write", "sync", "dir", "rename", "dir", "ack"], true),
        (&["write", "dir", "rename", "dir", "ack"], false),
        (&["write", "sync", "rename", "ack"], false),
        (&["write", "rename", "dir", "sync", "ack"], false),
        (&["write", "sync", "rename", "remove", "dir", "ack"], false),
    ];
    for (steps, right) in orders {
        let disk = disk();
        let shared: &dyn Disk = &disk;
        let mut old = shared.create(&at("v1")).unwrap();
        old.append(&[1; 900]).unwrap();
        old.sync().unwrap();
        shared.sync_dir(Path::new("s")).unwrap();
        let mut file = shared.create(&at("v2.tmp")).unwrap();
        let (mut acknowledged, mut lost) = (false, false);
        for step in steps {
            match *step {
                "write" => file.append(&[2; 900]).unwrap(),
                "sync" => file.sync().unwrap(),
                "dir" => shared.sync_dir(Path::new("s")).unwrap(),
                "rename" => shared.rename(&at("v2.tmp"), &at("v2")).unwrap(),
                "remove" => shared.remove(&at("v1")).unwrap(),
                _ => acknowledged = true,
            }
            for image in disk.files().images(3, 60) {
                let whole = |name: &str, byte| {
                    image.files.read(&at(name)).is_ok_and(|c| **c == vec![byte; 900])
                };
                // The newest version must be whole. The old one is valid while no newer one is
                // there.
                let newest = match image.files.read(&at("v2")) {
                    Ok(_) => whole("v2", 2),
                    Err(_) => whole("v1", 1) && !acknowledged,
                };
                lost |= !newest;
            }
        }
        assert_eq!(lost, !right, "{steps:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_images() {
    let disk = disk();
    let shared: &dyn Disk = &disk;
    let mut file = shared.create(&at("a")).unwrap();
    shared.sync_dir(Path::new("s")).unwrap();
    for n in 0..5 {
        file.append(&[n; 700]).unwrap();
    }
    let prints = |seed| -> Vec<u64> {
        disk.files().images(seed, 50).iter().map(|i| i.files.fingerprint()).collect()
    };
    assert_eq!(prints(4), prints(4));
    assert_ne!(prints(4), prints(5));
    assert!(prints(4).len() > 40);
}
