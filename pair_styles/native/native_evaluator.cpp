// SPDX-License-Identifier: GPL-2.0-or-later

#include "native_evaluator.h"

#include "tensor_file.h"

#include <stdexcept>

using namespace lamplighter;

namespace {

/* Which model file the first model of a file was, and which head of it is meant. */
std::string identity(const TensorFile &file)
{
  const std::string hashes = file.text("sha256");
  return hashes.substr(0, hashes.find(' ')) + ' ' + file.text("head");
}

}    // namespace

void NativeEvaluator::know_training_set(const TensorFile &model, const TensorFile &training_set,
                                        const std::vector<std::string> &elements)
{
  try {
    if (&model != &training_set && identity(model) != identity(training_set))
      throw std::runtime_error(training_set.path() +
                               " says what another model, or another head of it, was "
                               "trained on, and not " +
                               model.path());
    uncertainty = read_own_uncertainty(training_set, (size_t) readout_inputs(), elements);
  } catch (const std::runtime_error &problem) {
    uncertainty_problem = problem.what();
  }
}
