"""The pages that Trainyard adds to Airflow's UI, drawn on the server: they work without JavaScript.

``application`` is what all of them share: who is asked in, the look, the menu, how a refusal reads. A page is a module
of its own that takes a ``Section`` and adds its routes to it.
"""
