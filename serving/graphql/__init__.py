"""GraphQL over HTTP: the model, the log and its statistics by one document.

Only route.py is imported at start; the others need the packages of requirements-graphql.txt.
"""
