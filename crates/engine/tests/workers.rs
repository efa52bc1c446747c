//! Workers that end other than by the drain: those that are left serve on.

mod common;

use common::{Client, Site, echo_path, request, settings};
use headwaiter_engine::{Settings, Tasks};

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

/// A site whose only worker is this thread, and a client whose request for `path` waits for it.
fn one_waits(path: &str) -> (Site, Tasks, Client) {
    let none = Settings {
        threads: 0,
        ..settings()
    };
    let site = Site::new(none, echo_path);
    let tasks = site.server.tasks();
    let mut client = site.connect();
    client.send(request(path));
    site.until("queue_depth", 1);
    (site, tasks, client)
}

#[test]
fn a_reply_that_its_worker_had_not_sent_leaves_as_the_worker_ends() {
    let (site, mut tasks, mut client) = one_waits("/kept");
    let mut task = tasks.next().expect("the one that waits");
    echo_path(&mut task);
    tasks.complete(task);
    drop(tasks);
    assert_eq!(client.reply().body, b"/kept");
    site.stop();
}

#[test]
fn a_task_that_its_worker_had_not_run_closes_its_connection() {
    let (site, mut tasks, mut client) = one_waits("/lost");
    drop(tasks.next());
    assert!(client.is_closed());
    drop(tasks);
    site.stop();
}
