from tests.training.conftest import features as features
from tests.training.conftest import vault as vault
