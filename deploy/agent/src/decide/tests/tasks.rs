//! One-shot tasks.

use super::*;

#[test]
fn a_task_runs_before_anything_else_and_once() {
    let mut world = settled();
    assert_eq!(next(&with_task(2), &world, NOW), Action::RunTask(Box::new(task())));
    world.jobs.insert(Job::Task(task().id));
    assert_eq!(next(&with_task(2), &world, NOW), Action::Wait);
    world.jobs.clear();
    world.results.insert(task().id);
    assert!(
        matches!(next(&with_task(2), &world, NOW), Action::Bring(_)),
        "its generation is acknowledged after it"
    );
}

#[test]
fn a_task_of_another_host_holds_nothing_up() {
    let mut desired = with_task(2);
    desired.task.as_mut().unwrap().host = contract::HostName::parse("host-2").unwrap();
    assert!(matches!(next(&desired, &settled(), NOW), Action::Bring(_)));
}

#[test]
fn a_task_that_could_not_be_run_is_not_tried_again_in_this_rollout() {
    let world = World {
        failed: given_up(),
        ..settled()
    };
    assert_eq!(next(&with_task(2), &world, NOW), Action::Wait);
}

#[test]
fn while_a_task_runs_the_router_still_hears_who_is_ready() {
    let mut world = settled();
    world.jobs.insert(Job::Task(task().id));
    read(&mut world.containers[0], false, true, 2);
    assert!(matches!(next(&with_task(2), &world, NOW), Action::Reroute(table) if !table.backends[0].is_ready()));
}

#[test]
fn a_task_s_container_goes_only_once_its_result_is_kept() {
    let mut world = settled();
    world.tasks.push(TaskContainer {
        id: "t".to_owned(),
        task: task().id,
    });
    assert_eq!(next(&document(1), &world, NOW), Action::Wait);
    world.results.insert(task().id);
    assert_eq!(next(&document(1), &world, NOW), Action::RemoveTask("t".to_owned()));
}
