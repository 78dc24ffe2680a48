"""The settings: environment variables, their parsers, and one frozen, checked dataclass.

`settings.load_settings` reads a mapping and reports every problem at once; `variables.VARIABLES` is
the table that the documentation is checked against; `origins` is the grammar of web origins, the
only module that handlers may import. Nothing here reads the environment by itself, or knows
anything about what the settings are used for.
"""
