"""What is known of a person: events in the order of their time, and people joined to histories."""

import numpy as np

from crossaisle.live.person import Person, together


def test_events_are_put_in_their_place_by_time():
    person = Person.of_items([1, 2]).then([3, 4], [0, 0], [20.0, 10.0])
    assert person.items.tolist() == [1, 2, 4, 3]  # what is known without a time came before
    assert person.then([5], [1], [15.0]).items.tolist() == [1, 2, 4, 5, 3]
    assert person.then([5], [1], [15.0]).kinds.tolist() == [-1, -1, 0, 1, 0]


def test_an_event_without_a_time_is_the_newest_there_is():
    person = Person.of_items([]).then([3, 4], [0, 0], [10.0, 20.0]).then([9], [-1], [np.nan])
    assert person.items.tolist() == [3, 4, 9]
    assert person.then([7], [0], [30.0]).items.tolist() == [3, 4, 9, 7]


def test_people_become_histories_in_their_order():
    people = [Person.of_items([3, 1]), Person.of_items([]), Person.of_items([2]).then([5], [2], [7.0])]
    histories = together(people)
    assert [row.tolist() for row in histories.rows()] == [[3, 1], [], [2, 5]]
    assert histories.events.tolist() == [-1, -1, -1, 2]
    assert histories.times[-1] == 7.0
    assert len(together([])) == 0
