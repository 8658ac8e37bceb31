// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_MACE_EVALUATOR_H
#define LAMPLIGHTER_MACE_EVALUATOR_H

#include "native_evaluator.h"

#include <memory>

namespace lamplighter {

class TensorFile;

/* A MACE model, or several of one architecture: as open_model. */
std::unique_ptr<NativeEvaluator> open_mace(const TensorFile &, const TensorFile &training_set,
                                           const std::vector<std::string> &elements,
                                           const std::string &dtype, int intervals);

}    // namespace lamplighter

#endif
