"""One run or one incident, told for the person on call, from the journal alone.

:mod:`.building` reads the journal into the data of :mod:`.model`; :mod:`.as_text`, :mod:`.as_markdown`,
:mod:`.as_html` and :mod:`.as_json` write it down. Nothing of the user's is imported. The command line
imports this package for a word or two, so it loads none of its modules by itself.
"""
