//! Workers that end other than by the drain: those that are left serve on.

mod common;

use common::{Site, echo_path, settings};
use headwaiter_engine::Settings;

#[test]
fn a_worker_that_ends_while_it_looks_for_a_task_keeps_nobody_from_being_woken() {
    for gil in [true, false] {
        let site = Site::new(
            Settings {
                threads: 1,
                gil,
                ..settings()
            },
            echo_path,
        );
        for n in 0..20 {
            // It counts as one that is up and about to take a task, and then its thread ends.
            let mut tasks = site.server.tasks();
            while let Some(mut task) = tasks.next() {
                echo_path(&mut task);
                tasks.complete(task);
            }
            drop(tasks);
            assert_eq!(site.connect().get(&format!("/{n}")).status, 200);
        }
        site.until_is("workers", 1);
        site.stop();
    }
}

#[test]
fn a_reply_that_its_worker_had_not_sent_leaves_as_the_worker_ends() {
    let site = Site::new(
        Settings {
            threads: 0,
            ..settings()
        },
        echo_path,
    );
    let mut tasks = site.server.tasks();
    let mut client = site.connect();
    client.send(common::request("/kept"));
    site.until("queue_depth", 1);
    let mut task = tasks.next().expect("the one that waits");
    echo_path(&mut task);
    tasks.complete(task);
    drop(tasks);
    assert_eq!(client.reply().body, b"/kept");
    site.stop();
}

#[test]
fn a_task_that_its_worker_had_not_run_closes_its_connection() {
    let site = Site::new(
        Settings {
            threads: 0,
            ..settings()
        },
        echo_path,
    );
    let mut tasks = site.server.tasks();
    let mut client = site.connect();
    client.send(common::request("/lost"));
    site.until("queue_depth", 1);
    drop(tasks.next());
    assert!(client.is_closed());
    drop(tasks);
    site.stop();
}
