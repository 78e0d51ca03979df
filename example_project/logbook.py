"""What Harbour's crews have on their slate. A real site would ask its database."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Project:
    slug: str
    name: str
    place: str
    crew: str
    state: Literal["On course", "Waiting for tide", "Behind"]
    done: int
    """Percent."""
    due: str

    @property
    def tone(self) -> str:
        return {"On course": "good", "Waiting for tide": "calm", "Behind": "warn"}[self.state]


@dataclass(frozen=True)
class Report:
    title: str
    author: str
    filed: str
    hours: int
    state: Literal["Approved", "To approve"]

    @property
    def tone(self) -> str:
        return {"Approved": "good", "To approve": "warn"}[self.state]


@dataclass(frozen=True)
class Tide:
    name: Literal["High", "Low"]
    time: str
    metres: str


PROJECTS = (
    Project("north-quay-fenders", "North Quay fenders", "Berths 4 to 6", "Ines and Tomasz", "On course", 72, "14 Mar"),
    Project(
        "lantern-buoy", "Lantern buoy 7, new light", "Outer channel", "Oluwaseun", "Waiting for tide", 40, "19 Mar"
    ),
    Project("slipway-three", "Slipway 3, dredging", "Inner basin", "Marguerite and Li", "Behind", 35, "22 Mar"),
    Project("east-breakwater", "East breakwater survey", "Armour stones 1 to 64", "Henrik", "On course", 88, "28 Mar"),
    Project("ferry-pontoon", "Ferry pontoon hinges", "Terminal B", "Amara and Jon", "On course", 15, "9 Apr"),
)

REPORTS = (
    Report("Fender panels, berth 5: two cracked bolts", "Ines Carvalho", "Mon 3 Mar", 6, "To approve"),
    Report("Breakwater, stones 110 to 131", "Henrik Dahl", "Fri 28 Feb", 9, "To approve"),
    Report("Slipway 3, first sediment samples", "Li Wen", "Thu 27 Feb", 4, "Approved"),
    Report("Pontoon hinges, measured play", "Amara Okafor", "Wed 26 Feb", 3, "Approved"),
)

TIDES = (
    Tide("High", "04:18", "3.9 m"),
    Tide("Low", "10:31", "0.8 m"),
    Tide("High", "16:44", "4.1 m"),
    Tide("Low", "22:57", "0.6 m"),
)
