"""Alerts: who is told of what happened, by whom, and when. They only read the journal.

:mod:`.evaluate` decides, :mod:`.messages` puts it into words, the outbox
(:mod:`surefoot.journal.alerts`) keeps it, :mod:`.sending` sends it through Apprise, :mod:`.teller`
does all of it beside the runs of a process.
"""
