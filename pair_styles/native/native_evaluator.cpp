// SPDX-License-Identifier: GPL-2.0-or-later

#include "native_evaluator.h"

#include <stdexcept>
#include <utility>

using namespace lamplighter;

void NativeEvaluator::know_training_set(const TensorFile &file, std::vector<ReadoutInput> inputs,
                                        const std::vector<int> &numbers,
                                        const std::vector<std::string> &elements)
{
  try {
    uncertainty = read_own_uncertainty(file, std::move(inputs), (size_t) features(), numbers,
                                       elements);
  } catch (const std::runtime_error &problem) {
    uncertainty_problem = problem.what();
  }
}
