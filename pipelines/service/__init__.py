"""The HTTP service: the four contracts, over the same mappings, models, push and tables as the command line.

from pipelines.service.app import create_app
from pipelines.service.context import open_context

app = create_app(open_context(project))
"""
