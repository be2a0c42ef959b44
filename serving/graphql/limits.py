"""The bounds of a document, held before it is validated. Knows no schema.

The limiters that come with strawberry follow a fragment as often as it is spread: a document of a
kilobyte in which each fragment spreads the next one twice takes them longer than the universe has.
Here a fragment is measured once.
"""

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.extensions import SchemaExtension

from serving.graphql.context import Context

MAX_TOKENS = 1000
MAX_DEPTH = 8  # of fields in fields; those of the schema are five deep
MAX_ALIASES = 10
_INTROSPECTS = "__"  # the beginning of the fields whose depth GraphQL's own rules limit


class Limits(SchemaExtension):
    """Refuses a document that has too much of something, or several operations to choose from."""

    def on_operation(self) -> Iterator[None]:
        """Limits the tokens that are parsed."""
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_validate(self) -> Iterator[None]:
        """Replaces the validation by the reason, if there is one."""
        context, document = self.execution_context.context, self.execution_context.graphql_document
        if document and (reason := _refusal(document, context)):
            self.execution_context.pre_execution_errors = [GraphQLError(reason)]
        yield


def _refusal(document: DocumentNode, context: Context) -> str:
    """The reason why the document is not executed, or ""."""
    operations = [
        each for each in document.definitions if isinstance(each, OperationDefinitionNode)
    ]
    if len(operations) > 1 and not context.operation_name:
        return f"The document has {len(operations)} operations. Name one in operationName."
    measured = _Measured(document)
    for operation in operations:
        depth, aliases = measured.of(operation.selection_set)
        if depth > MAX_DEPTH:
            return f"The document is {depth} fields deep; the limit is {MAX_DEPTH}."
        if aliases > MAX_ALIASES:
            return f"The document has more than {MAX_ALIASES} aliases. Send several requests."
    return ""


class _Measured:
    """The depths and aliases of a document, each fragment with those that it spreads."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        """The depth and the number of aliases."""
        depth = aliases = 0
        for each in selections.selections if selections else ():
            if isinstance(each, FragmentSpreadNode):
                inner, more = self._of_fragment(each.name.value)
            elif isinstance(each, FieldNode):
                inner, more = self.of(each.selection_set)
                inner = 0 if each.name.value.startswith(_INTROSPECTS) else inner + 1
                more += each.alias is not None
            elif isinstance(each, InlineFragmentNode):
                inner, more = self.of(each.selection_set)
            else:
                continue  # there is no other kind
            depth, aliases = max(depth, inner), aliases + more
        return depth, aliases

    def _of_fragment(self, name: str) -> tuple[int, int]:
        """Those of a fragment; nothing for one that is not there, or that spreads itself.

        The validation refuses both.
        """
        if name not in self._known:
            self._known[name] = (0, 0)
            if fragment := self._fragments.get(name):
                self._known[name] = self.of(fragment.selection_set)
        return self._known[name]
