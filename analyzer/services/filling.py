"""Which services there are: those that are declared, and learned ones where nobody is declared."""

from collections.abc import Iterable, Sequence

from analyzer.rules.ruleset import RuleFile
from analyzer.rules.services import Service
from analyzer.services.learned import Learned


def learned_services(files: Iterable[RuleFile], learned: Iterable[Learned]) -> list[Service]:
    """One for each group and event that it takes in. What is declared of a group is all of it, and
    a step that is declared is nobody else's."""
    declared = [service for file in files for service in file.services]
    groups = {group for service in declared for group in service.groups}
    steps = {(a, b) for service in declared for a in service.consumes for b in service.emits}
    found: dict[tuple[str, str, str], list[Learned]] = {}
    for one in learned:
        if one.group not in groups and (one.consumes, one.emits) not in steps:
            found.setdefault((one.source, one.group, one.consumes), []).append(one)
    services = [
        Service(group, (group,), (consumes,), tuple(one.emits for one in some),
                learned=tuple(some))
        for (_, group, consumes), some in sorted(found.items())
    ]  # fmt: skip
    return sorted(services, key=lambda one: not _likely(one))


def services_for(file: RuleFile, learned: Sequence[Service]) -> Sequence[Service]:
    """Those that tell who runs the steps of this file's flows: no learned one that may as well be
    another, and none whose events are called otherwise here."""
    return (*file.services, *(one for one in learned if _clear(one) and _called_so(file, one)))


def _likely(service: Service) -> bool:
    return any(one.confidence == "likely" for one in service.learned)


def _clear(service: Service) -> bool:
    """Who is likely to answer an event in one way is taken to be the one who does in others."""
    return _likely(service) or not any(one.confused_with for one in service.learned)


def _called_so(file: RuleFile, service: Service) -> bool:
    naming = file.naming
    names = (*service.consumes, *service.emits)
    return naming is None or all(naming.meaning(name) is None for name in names)
