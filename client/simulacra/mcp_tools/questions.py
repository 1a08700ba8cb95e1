"""Tools that ask: an average effect, all levers of an outcome, shares of segments."""

from typing import Annotated, Any

from pydantic import Field

from simulacra.mcp_tools.base import ToolSet, tool_errors
from simulacra.mcp_tools.schemas import (
    Blocks,
    DatasetId,
    DontKnow,
    LeverInput,
    Outcome,
    OutcomeLevel,
    Whose,
)
from simulacra.models import Json


class QuestionTools(ToolSet):
    """Effects, answer sheets and segments."""

    async def estimate(
        self,
        dataset_id: DatasetId,
        treatment: Annotated[str, Field(description="Column to intervene on.")],
        value: Annotated[bool | float | str, Field(description="Treatment value.")],
        baseline: Annotated[bool | float | str, Field(description="Value to compare with.")],
        outcome: Outcome,
        outcome_level: OutcomeLevel = None,
        by: Annotated[
            list[str] | None,
            Field(
                description="One or two columns: the effect in each group too. Report"
                " `groups_differ` word for word before the groups."
            ),
        ] = None,
        before: Annotated[
            list[str] | None,
            Field(description="Columns settled before the treatment. Ask the user; do not guess."),
        ] = None,
        after: Annotated[
            list[str] | None, Field(description="Columns that the treatment may have changed.")
        ] = None,
        dont_know: DontKnow = None,
        blocks: Blocks = None,
        population: Whose = None,
        negative_controls: Annotated[
            list[str] | None,
            Field(
                description="Columns that the treatment cannot change, but that share its unseen"
                " causes. Name them in before or after, too."
            ),
        ] = None,
        instrument: Annotated[
            str | None,
            Field(
                description="Column, or column=level, that the user says is as good as random given"
                " `before` and moves the outcome only through the treatment. Never guess it."
            ),
        ] = None,
        parallel_trends: Annotated[
            dict[str, float | str] | None,
            Field(
                description="Column of the waves: first wave in which those with the value had the"
                " treatment. Only if the user says that both groups would else have changed alike."
            ),
        ] = None,
    ) -> Json:
        """Start to estimate a causal effect. Wait for the job_id, then call status(effect_id).

        Ask the user first which columns were already so before the treatment was settled, and give
        them as `before`. Report the verdict's text word for word, before any number.
        """
        with tool_errors():
            return await self._client.estimate(
                dataset_id,
                treatment=treatment,
                value=value,
                baseline=baseline,
                outcome=outcome,
                outcome_level=outcome_level,
                by=by or (),
                before=before or (),
                after=after or (),
                dont_know=dont_know or (),
                blocks=blocks or (),
                population=population,
                negative_controls=negative_controls or (),
                instrument=instrument,
                parallel_trends=parallel_trends,
            )

    async def sheet(
        self,
        dataset_id: DatasetId,
        outcome: Outcome,
        outcome_level: OutcomeLevel = None,
        levers: Annotated[
            list[str | LeverInput] | None,
            Field(description="Columns to compare; all that may be levers, if not given."),
        ] = None,
        before: Annotated[
            list[str] | None,
            Field(description="Columns settled before any lever. Ask the user; do not guess."),
        ] = None,
        after: Annotated[
            list[str] | None,
            Field(description="Columns that came after every lever; name the outcome too."),
        ] = None,
        dont_know: DontKnow = None,
        blocks: Blocks = None,
        population: Whose = None,
    ) -> Json:
        """Start to compare all levers of an outcome. Wait for the job_id, then status(sheet_id).

        Report `text` and the verdicts' texts word for word, before any number. Only levers with a
        `rank` may be called more or less important than others.
        """
        with tool_errors():
            return await self._client.ask_sheet(
                dataset_id,
                outcome=outcome,
                outcome_level=outcome_level,
                levers=[
                    one if isinstance(one, str) else one.model_dump(exclude_defaults=True)
                    for one in levers or ()
                ],
                before=before or (),
                after=after or (),
                dont_know=dont_know or (),
                blocks=blocks or (),
                population=population,
            )

    async def segments(
        self,
        dataset_id: DatasetId,
        segment: Annotated[
            dict[str, list[bool | float | str]] | None,
            Field(
                description="One or two columns, each with its levels; an empty list stands for"
                " each level. With the wave of a tracker beside them, earlier waves help, and the"
                " texts say what moved. {wave: [next]} alone is the wave after the newest one."
            ),
        ] = None,
        questions: Annotated[
            list[str] | None, Field(description="Columns whose answers are certified.")
        ] = None,
        targets: Annotated[
            dict[str, Any] | None,
            Field(
                description="Of the next wave: who will be asked, {column: {level: share}} of one"
                " or two columns, or categorical and quotas; like the newest wave if absent."
            ),
        ] = None,
        prices: Annotated[
            dict[str, Any] | None,
            Field(
                description="Instead of all these a price question: method (van_westendorp or"
                " gabor_granger), columns, prices, buys; {} for the one that names of columns tell."
            ),
        ] = None,
    ) -> Json:
        """Start to certify shares of answers in segments of few respondents, or to answer a price
        question, whose text is in `price_answer`.

        Wait for the job_id, then call status(segment_id). Report the text of each share word for
        word: it says what the share is worth, and whether that is better than the respondents
        alone.
        """
        with tool_errors():
            return await self._client.boost(
                dataset_id, segment, questions or (), targets=targets, prices=prices
            )
