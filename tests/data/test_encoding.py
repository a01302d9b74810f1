import re
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DataError
from include.core.records import FeatureSpec
from include.data.encoding import encode_features

HOUR = FeatureSpec(name="hour", group="schedule", definition="", categories=None)
CARRIER = FeatureSpec(name="carrier", group="schedule", definition="", categories=("AA", "DL", "UA"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 23) | st.none(), st.sampled_from([*CARRIER.categories, "??", None]))))
def test_a_row_is_encoded_alike_in_whatever_company_and_column_order(rows):
    hours, carriers = ([row[column] for row in rows] for column in (0, 1))
    table = pa.table({"carrier": pa.array(carriers, pa.string()), "hour": pa.array(hours, pa.int64())})
    together = encode_features(table, [HOUR, CARRIER])
    assert together.shape == (len(rows), 2)
    assert together.dtype == np.float32
    for position, (hour, carrier) in enumerate(rows):
        code = CARRIER.categories.index(carrier) if carrier in CARRIER.categories else None
        expected = [np.nan if value is None else value for value in (hour, code)]
        np.testing.assert_array_equal(together[position], np.array(expected, dtype=np.float32))
        alone = encode_features(table.slice(position, 1).select(["hour", "carrier"]), [HOUR, CARRIER])
        np.testing.assert_array_equal(alone[0], together[position])


@pytest.mark.parametrize("categories", [("AA", "DL", "UA"), ("UA", "ZZ")])
def test_a_dictionary_column_is_read_by_its_values_not_by_its_codes(categories):
    column = pa.array(["UA", None, "??", "UA"]).dictionary_encode()
    feature = FeatureSpec(name="carrier", group="schedule", definition="", categories=categories)
    codes = encode_features(pa.table({"carrier": column}), [feature])[:, 0]
    expected = [categories.index("UA"), np.nan, np.nan, categories.index("UA")]
    np.testing.assert_array_equal(codes, np.array(expected, dtype=np.float32))


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0]])
def test_booleans_and_numbers_of_any_width_are_numbers(values):
    table = pa.Table.from_pandas(pd.DataFrame({"hour": values}))
    assert encode_features(table, [HOUR])[:, 0].tolist() == [1.0, 0.0]


def test_a_column_without_any_value_is_missing_throughout():
    table = pa.table({"hour": pa.nulls(3), "carrier": pa.nulls(3)})
    assert np.isnan(encode_features(table, [HOUR, CARRIER])).all()


def test_a_feature_that_is_not_in_the_rows_is_named():
    with pytest.raises(DataError, match="no column carrier"):
        encode_features(pa.table({"hour": [1]}), [HOUR, CARRIER])


@pytest.mark.parametrize("column", [pa.array([date(2013, 1, 1)]), pa.array(["noon"])])
def test_what_is_neither_number_nor_category_is_named_by_its_type(column):
    with pytest.raises(DataError, match=re.escape(f"hour: {column.type}")):
        encode_features(pa.table({"hour": column}), [HOUR])
