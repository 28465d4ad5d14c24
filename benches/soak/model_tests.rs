//! Owns the tests of `model.rs`: it distinguishes a wrong answer from a right one.

use super::*;

const NOW: u64 = 1000;

/// Returns rows 0 to 9 around a circle.
fn base() -> Vectors {
    let data = (0..10).flat_map(|i| [(f64::from(i)).cos() as f32, (f64::from(i)).sin() as f32]);
    Vectors { dim: 2, data: data.collect() }
}

fn put(id: u64, space: u32, life: Life) -> Op {
    Op::Put { id, row: id as u32, space, life }
}

fn done(inserted: u64, replaced: u64, deleted: u64) -> Applied {
    let mut applied = Applied::default();
    (applied.inserted, applied.replaced, applied.deleted) = (inserted, replaced, deleted);
    applied
}

fn write(model: &mut Model, ops: &[Op], did: Applied) {
    model.begin(ops, NOW);
    model.finish(ops, did, NOW).unwrap();
}

/// Returns a model with ids 1 to 4. Ids 3 and 4 are in another namespace, and 4 expires.
fn filled() -> Model {
    let mut model = Model::new(10);
    let ops = [
        put(1, 0, Life::Forever),
        put(2, 0, Life::Forever),
        put(3, 1, Life::Forever),
        put(4, 1, Life::Until(NOW + 100)),
    ];
    write(&mut model, &ops, done(4, 0, 0));
    model
}

fn hits(ids: &[u64]) -> Vec<(u64, f32)> {
    let base = base();
    let far = |id: &u64| distance(base.row(0), base.row(*id as usize), Metric::Cosine) as f32;
    let mut hits: Vec<(u64, f32)> = ids.iter().map(|id| (*id, far(id))).collect();
    hits.sort_by(|a, b| a.1.total_cmp(&b.1));
    hits
}

fn judge(model: &mut Model, asked: Asked, to: u64, hits: &[(u64, f32)]) -> Result<(), String> {
    model.judge(asked, to, (base().row(0), hits, 10), &base())
}

/// Judges an answer of a query with nothing beside it.
fn alone(model: &mut Model, space: Option<u32>, ids: &[u64]) -> Result<(), String> {
    let asked = model.ask(NOW, space);
    judge(model, asked, NOW, &hits(ids))
}

fn is(verdict: Result<(), String>, part: &str) {
    let reason = verdict.unwrap_err();
    assert!(reason.contains(part), "{reason}");
}

#[test]
fn the_right_answer_is_right_and_a_short_or_foreign_one_is_not() {
    let mut model = filled();
    alone(&mut model, None, &[1, 2, 3, 4]).unwrap();
    alone(&mut model, Some(1), &[3, 4]).unwrap();
    is(alone(&mut model, None, &[1, 2, 3]), "3 results where at least 4");
    is(alone(&mut model, Some(1), &[3]), "1 results where at least 2");
    is(alone(&mut model, Some(1), &[2, 3, 4]), "another namespace");
    is(alone(&mut model, None, &[1, 2, 3, 4, 5]), "not known to have lived");
    is(alone(&mut model, None, &[1, 2, 3, 4, 4]), "twice");
}

#[test]
fn distances_are_checked() {
    let mut model = filled();
    let asked = model.ask(NOW, Some(0));
    let mut answer = hits(&[1, 2]);
    answer[1].1 += 0.01;
    is(judge(&mut model, asked, NOW, &answer), "another vector");
    let asked = model.ask(NOW, Some(0));
    let mut answer = hits(&[1, 2]);
    answer.reverse();
    is(judge(&mut model, asked, NOW, &answer), "farther");
}

#[test]
fn what_was_deleted_before_is_wrong_and_what_is_deleted_meanwhile_is_either() {
    let mut model = filled();
    write(&mut model, &[Op::Delete { id: 1 }], done(0, 0, 1));
    is(alone(&mut model, Some(0), &[1, 2]), "id 1 was gone");
    let asked = model.ask(NOW, Some(0));
    write(&mut model, &[Op::Delete { id: 2 }], done(0, 0, 1));
    let mut other = filled();
    let beside = other.ask(NOW, Some(0));
    write(&mut other, &[Op::Drop { space: 0 }], done(0, 0, 2));
    judge(&mut model, asked, NOW, &hits(&[2])).unwrap();
    judge(&mut other, beside, NOW, &[]).unwrap();
    model.sweep(NOW);
    is(alone(&mut model, Some(0), &[2]), "id 2");
}

#[test]
fn of_a_replaced_memory_the_old_vector_may_be_seen_until_it_is_acknowledged() {
    let mut model = filled();
    let ops = [Op::Put { id: 1, row: 7, space: 0, life: Life::Forever }];
    model.begin(&ops, NOW);
    let asked = model.ask(NOW, Some(0));
    model.finish(&ops, done(0, 1, 0), NOW).unwrap();
    judge(&mut model, asked, NOW, &hits(&[1, 2])).unwrap();
    is(alone(&mut model, Some(0), &[1, 2]), "id 1");
}

#[test]
fn what_has_expired_is_wrong_and_what_expires_meanwhile_is_either() {
    let mut model = filled();
    let due = NOW + 100;
    let mut at = |from, to, ids: &[u64]| {
        let asked = model.ask(from, Some(1));
        judge(&mut model, asked, to, &hits(ids))
    };
    at(due - 1, due, &[3, 4]).unwrap();
    at(due - 1, due, &[3]).unwrap();
    is(at(due - 2, due - 1, &[3]), "at least 2");
    is(at(due, due, &[3, 4]), "had expired");
    model.sweep(due);
    assert_eq!(model.live(), 3);
}

#[test]
fn what_a_batch_did_is_compared() {
    let mut model = filled();
    let ops = [Op::Drop { space: 1 }, put(1, 0, Life::Forever)];
    for (did, right) in [(done(0, 1, 2), true), (done(0, 1, 1), false), (done(1, 0, 2), false)] {
        let mut model = Model::new(10);
        write(
            &mut model,
            &[put(1, 0, Life::Forever), put(3, 1, Life::Forever), put(4, 1, Life::Forever)],
            done(3, 0, 0),
        );
        model.begin(&ops, NOW);
        assert_eq!(model.finish(&ops, did, NOW).is_ok(), right);
    }
    // Id 4 may have expired when the batch came.
    model.begin(&ops, NOW);
    model.finish(&ops, done(0, 1, 1), NOW + 100).unwrap();
}
