// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef LAMPLIGHTER_LAYERED_EVALUATOR_H
#define LAMPLIGHTER_LAYERED_EVALUATOR_H

#include "native_evaluator.h"

#include <memory>

namespace lamplighter {

class TensorFile;

/* A model that is a sequence of interactions with gates (layered_parameters.h), or several of one
   architecture: as open_model. */
std::unique_ptr<NativeEvaluator> open_layered(const TensorFile &, const TensorFile &training_set,
                                              const std::vector<std::string> &elements,
                                              const std::string &dtype, int intervals);

}    // namespace lamplighter

#endif
